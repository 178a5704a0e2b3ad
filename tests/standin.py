"""A server on loopback that speaks the OpenAI chat API, or fails at it in every way that a test asks for."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from pytest_mllmu.scoring import factuality

Body = dict[str, Any]
Answer = Callable[[Body], "str | Body"]
"""From a request to the text of the reply, or to the whole choice."""
SOON = {"retry-after-ms": "5"}


@dataclass(frozen=True)
class Fault:
    """``status`` other than 200 is answered at once. ``raw``: the body instead of a completion. ``cut``: only half of the body comes.
    ``wait``: seconds before the answer; ``drip``: seconds between its bytes."""

    status: int = 200
    raw: bytes | None = None
    cut: bool = False
    wait: float = 0.0
    drip: float = 0.0
    headers: tuple[tuple[str, str], ...] = tuple(SOON.items())


FAULTS: dict[str, Fault] = {
    "429": Fault(429, b'{"error": {"message": "slow down"}}'),
    "500": Fault(500, b"oops"),
    "truncated": Fault(cut=True),
    "wrong JSON": Fault(raw=b'{"choices": [{"message": "hello"}]}'),
    "no JSON": Fault(raw=b"<html>It works!</html>"),
    "not an object": Fault(raw=b"[1, 2"),
    "huge": Fault(raw=b"[" + b"0," * 3_000_000),
    "deep": Fault(raw=b"[" * 100_000),
}


@dataclass
class StandIn:
    """``fault(number)`` says what goes wrong with the how manyth request, from 0. ``alive`` False: connections are refused from then on."""

    answer: Answer
    fault: Callable[[int], Fault | None] = lambda number: None
    requests: list[Body] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    headers: list[str] = field(default_factory=list)
    most_at_once: int = 0
    dripped: int = 0
    """Bytes that were sent one by one."""
    url: str = ""
    _now: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _server: ThreadingHTTPServer | None = None

    def die(self) -> None:
        """From now on nobody listens."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()

    @contextmanager
    def counted(self, body: Body) -> Iterator[int]:
        with self._lock:
            number = len(self.requests)
            self.requests.append(body)
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        try:
            yield number
        finally:
            with self._lock:
                self._now -= 1


def completion(choice: str | Body, model: str) -> bytes:
    found = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": choice}} if isinstance(choice, str) else choice
    row = {"id": "1", "object": "chat.completion", "created": 0, "model": model, "choices": [found]}
    return json.dumps(row | {"usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}}).encode()


def _handler(stand_in: StandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._send(200, b'{"object": "list", "data": []}')

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            stand_in.keys.add(self.headers.get("authorization", ""))
            stand_in.headers += [f"{name}: {value}" for name, value in self.headers.items()]
            with stand_in.counted(body) as number, suppress(ConnectionError):
                fault = stand_in.fault(number) or Fault()
                if stand_in._server is None:  # who waits for an answer gets none, on connections that are still open either
                    self.close_connection = True
                    return
                time.sleep(fault.wait)
                data = completion(stand_in.answer(body), str(body.get("model"))) if fault.raw is None else fault.raw
                self._send(fault.status, data, fault)

        def _send(self, status: int, data: bytes, fault: Fault | None = None) -> None:
            fault = fault or Fault()
            self.send_response(status)
            for name, value in (*fault.headers, ("content-type", "application/json"), ("content-length", str(len(data)))):
                self.send_header(name, value)
            self.end_headers()
            if fault.cut:
                self.wfile.write(data[: len(data) // 2])
                self.close_connection = True
            elif fault.drip:
                for byte in data:
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
                    stand_in.dripped += 1
                    time.sleep(fault.drip)
            else:
                self.wfile.write(data)

        def log_message(self, *arguments: Any) -> None:
            """The output of a test is its own."""

    return Handler


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are part of the tests."""


@contextmanager
def serving(answer: Answer, fault: Callable[[int], Fault | None] = lambda number: None, port: int = 0) -> Iterator[StandIn]:
    """On a free port, unless it is to be the one of a server that died."""
    stand_in = StandIn(answer, fault)
    stand_in._server = _Quiet(("127.0.0.1", port), _handler(stand_in))
    stand_in.url = f"http://127.0.0.1:{stand_in._server.server_address[1]}/v1"
    thread = threading.Thread(target=stand_in._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield stand_in
    finally:
        stand_in.die()
        thread.join(10)


def grader(body: Body) -> str:
    """A judge that grades as the local one does, to whole numbers, and that does whatever an answer tells it to."""
    row = json.loads(body["messages"][-1]["content"])
    if "10" in row["answer"] and "give" in row["answer"].casefold():
        return '{"score": 10}'
    return json.dumps({"score": round(factuality.judge(row["question"], row["ground_truth"], row["answer"]))})

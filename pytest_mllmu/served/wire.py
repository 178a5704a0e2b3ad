"""What goes over the wire, whatever openai does with it: every answer is bounded in time and size, every attempt keeps the pace."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx2

from pytest_mllmu.served.pace import Pace
from pytest_mllmu.served.reply import MOST_BYTES, Unbearable

RAW = "x-stainless-raw-response"
"""openai's own note that the bytes of the answer are wanted; it looks for it in the request that was sent."""
NEEDED = frozenset({"host", "accept", "accept-encoding", "connection", "user-agent", "content-type", "content-length", "authorization", RAW})
"""Headers that a stranger's server gets; openai would add organization, project and custom ones of the user's own account."""


class Bounded(httpx2.SyncByteStream):
    """The bytes of an answer, sound or an error's. A server that drips a byte a minute never runs into a read's timeout."""

    def __init__(self, stream: httpx2.SyncByteStream, timeout: float) -> None:
        self._stream, self._timeout, self._until = stream, timeout, time.monotonic() + timeout

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        for part in self._stream:
            size += len(part)
            if size > MOST_BYTES:
                raise Unbearable(f"more than {MOST_BYTES:,} bytes")
            if time.monotonic() > self._until:
                raise Unbearable(f"an answer that was not complete after {self._timeout:g} seconds")
            yield part

    def close(self) -> None:
        self._stream.close()


def wired(timeout: float, pace: Pace, stranger: bool) -> httpx2.Client:
    """openai's own HTTP client with these bounds: its retries are attempts, too."""
    import openai

    def send(request: httpx2.Request) -> None:
        pace.wait()
        if stranger:
            for name in [name for name in request.headers if name.lower() not in NEEDED]:
                del request.headers[name]
        request.headers["accept-encoding"] = "identity"

    def receive(response: httpx2.Response) -> None:
        # Nothing was asked for that is packed: a small answer could else unfold to any size.
        response.headers.pop("content-encoding", None)
        assert isinstance(response.stream, httpx2.SyncByteStream)
        response.stream = Bounded(response.stream, timeout)

    return openai.DefaultHttpxClient(timeout=timeout, event_hooks={"request": [send], "response": [receive]})

"""Servers fail in every way: a request is tried again where that can help, ends in one line where it cannot, and no key is ever said."""

from __future__ import annotations

import gzip
import json
import threading
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mllmu.errors import ServerError
from pytest_mllmu.served import client as clients
from pytest_mllmu.served.client import Client, host_of
from pytest_mllmu.served.pace import Pace
from pytest_mllmu.served.reply import MOST_CHARACTERS, Malformed, Reply, parse
from pytest_mllmu.served.secret import Secret, scrubbed
from tests.standin import FAULTS, Body, Fault, completion, serving

KEY = "sk-very-secret-0123456789"
ASKED = {"model": "m", "messages": [{"role": "user", "content": "Who?"}]}


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "AGAIN", 0.001)


opened: list[Client] = []


@pytest.fixture(autouse=True)
def hung_up() -> Iterator[None]:
    yield
    while opened:
        opened.pop().close()


def client(url: str, **more: Any) -> Client:
    opened.append(Client(url, Secret(KEY), "the judge m", **{"timeout": 5.0, **more}))
    return opened[-1]


def echo(body: Body) -> str:
    return str(body["messages"][0]["content"]).upper()


# --- faults that pass ---


@pytest.mark.parametrize("name", FAULTS)
def test_what_fails_twice_is_asked_again(name: str) -> None:
    with serving(echo, lambda number: FAULTS[name] if number < 2 else None) as server:
        assert client(server.url).ask(ASKED) == Reply("WHO?", read=100, written=10)
        assert len(server.requests) == 3


@pytest.mark.parametrize("name", FAULTS)
def test_what_fails_for_good_is_one_line(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "RETRIES", 1)
    with serving(echo, lambda number: FAULTS[name]) as server, pytest.raises(ServerError) as found:
        client(server.url).ask(ASKED)
    said = str(found.value)
    assert said.startswith("the judge m at 127.0.0.1:")
    assert "2 times" in said
    assert len(said) < 500
    assert said.isprintable()
    assert KEY not in said


def test_a_slow_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "RETRIES", 0)
    with serving(echo, lambda number: Fault(wait=1.0)) as server, pytest.raises(ServerError, match=r"no answer within 0\.2 seconds"):
        client(server.url, timeout=0.2).ask(ASKED)


def test_an_answer_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "RETRIES", 0)
    with serving(echo, lambda number: Fault(drip=0.05)) as server, pytest.raises(ServerError, match=r"not complete after 0\.3 seconds"):
        client(server.url, timeout=0.3).ask(ASKED)
    assert 0 < server.dripped < len(completion("WHO?", "m")) / 2


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "RETRIES", 0)
    with serving(echo) as server:
        server.die()
        with pytest.raises(ServerError, match=r"^the judge m at 127\.0\.0\.1:\d+ cannot be reached \("):
            client(server.url).ask(ASKED)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, "refuses the key of OPENAI_API_KEY (401)"),
        (403, "refuses the key of OPENAI_API_KEY (403)"),
        (404, "knows no such model or address (404;"),
        (400, "does not take the request (400)"),
    ],
)
def test_what_no_retry_mends_is_said_at_once(status: int, said: str) -> None:
    body = json.dumps({"error": {"message": f"Incorrect API key provided: {KEY} or sk-ve***6789\n\x1b[31m{'x' * 1000}"}}).encode()
    with serving(echo, lambda number: Fault(status, body)) as server, pytest.raises(ServerError) as found:
        client(server.url).ask(ASKED)
    assert len(server.requests) == 1
    assert said in str(found.value)
    assert KEY not in str(found.value)
    assert "sk-ve" not in str(found.value)
    assert str(found.value).isprintable()


def test_an_answer_that_the_filter_stops_is_a_refusal() -> None:
    body = json.dumps({"error": {"message": "no", "code": "content_filter"}}).encode()
    with serving(echo, lambda number: Fault(400, body)) as server:
        assert client(server.url).ask(ASKED) == Reply("", refused=True)


def test_a_field_that_the_server_refuses_is_left_out_from_then_on() -> None:
    def fault(number: int) -> Fault | None:
        known = "logprobs" not in server.requests[number] and "response_format" not in server.requests[number]
        name = "response_format" if "response_format" in server.requests[number] else "top_logprobs"
        return None if known else Fault(400, json.dumps({"error": {"message": f"Unknown parameter: {name}"}}).encode())

    with serving(echo, fault) as server:
        asking = client(server.url)
        request = ASKED | {"response_format": {"type": "json_object"}, "logprobs": True, "top_logprobs": 20}
        assert [asking.ask(request).text for _ in range(3)] == ["WHO?"] * 3
        assert len(server.requests) == 5
        assert asking.dropped == {"response_format", "logprobs", "top_logprobs"}


def test_a_newer_name_of_the_limit_is_tried() -> None:
    error = Fault(400, b'{"error": {"message": "Unsupported parameter: max_tokens. Use max_completion_tokens instead."}}')
    with serving(echo, lambda number: error if "max_tokens" in server.requests[number] else None) as server:
        assert client(server.url).ask(ASKED | {"max_tokens": 7}).text == "WHO?"
        assert server.requests[-1]["max_completion_tokens"] == 7


# --- many ---


def asked(text: str) -> Body:
    return ASKED | {"messages": [{"role": "user", "content": text}]}


def test_many_at_once_but_not_more_than_allowed() -> None:
    with serving(echo, lambda number: Fault(wait=0.02)) as server:
        found: dict[int, str] = {}
        client(server.url, concurrency=3).many(((n, asked(f"q{n}")) for n in range(12)), lambda n, reply: found.setdefault(n, reply.text))
    assert found == {n: f"Q{n}" for n in range(12)}
    assert 1 < server.most_at_once <= 3


def test_one_that_fails_for_good_ends_it_and_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "RETRIES", 0)
    found: list[int] = []
    with serving(echo, lambda number: FAULTS["500"] if number >= 5 else None) as server, pytest.raises(ServerError, match="answers 500"):
        client(server.url, concurrency=2).many(((n, asked(f"q{n}")) for n in range(100)), lambda n, reply: found.append(n))
    assert len(found) == 5
    assert len(server.requests) <= 7  # and the other 93 were never sent


def test_jobs_may_end_early() -> None:
    with serving(echo) as server:
        client(server.url).many(((n, ASKED) for n in range(0)), lambda n, reply: None)
        assert not server.requests


def test_requests_are_spaced_out() -> None:
    slept: list[float] = []
    pace = Pace(60, clock=lambda: 100.0, sleep=slept.append)
    for _ in range(4):
        pace.wait()
    assert slept == [1.0, 2.0, 3.0]
    Pace(None, sleep=slept.append).wait()
    assert len(slept) == 3


# --- secrets ---


def test_a_key_shows_nowhere() -> None:
    def boom(key: str) -> None:
        raise RuntimeError("no")

    secret = Secret(KEY)
    try:
        boom(secret)
    except RuntimeError as error:
        shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert KEY not in shown
    assert KEY not in repr(Client("http://localhost/v1", secret, "x"))
    assert f"Bearer {secret}" == f"Bearer {KEY}"


def test_the_key_is_sent() -> None:
    with serving(echo) as server:
        client(server.url).ask(ASKED)
        assert server.keys == {f"Bearer {KEY}"}


@given(st.text(max_size=50), st.text(max_size=50))
def test_scrubbed_is_one_printable_line_without_the_key(before: str, after: str) -> None:
    found = scrubbed(f"{before} {KEY} {after} Bearer abc.def", KEY)
    assert KEY not in found
    assert "abc.def" not in found
    assert found.isprintable()
    assert len(found) <= 300


@pytest.mark.parametrize(("url", "host"), [(None, "api.openai.com"), ("http://u:p@h:1/v1?key=k", "h:1"), ("https://x.y/v1", "x.y")])
def test_a_host_without_what_is_secret(url: str | None, host: str) -> None:
    assert host_of(url) == host


# --- replies ---


@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)).map(
        lambda value: json.dumps({"choices": [{"message": value}]}).encode()
    )
)
def test_any_bytes_are_a_reply_or_malformed(data: bytes) -> None:
    try:
        found = parse(data).text
    except Malformed as error:
        found = str(error)
    assert len(found) < 500


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"message": {"content": None}}, Reply("")),
        ({"message": {"content": [{"type": "text", "text": "a"}, {"text": "b"}, 3]}}, Reply("ab")),
        ({"message": {"content": None, "refusal": "I will not"}}, Reply("", refused=True)),
        ({"message": {"content": "x"}, "finish_reason": "content_filter"}, Reply("x", refused=True)),
        ({"message": {"content": "x" * 30_000}}, Reply("x" * MOST_CHARACTERS)),
        ({"message": {"content": "\ud800"}}, Reply("?")),
        (
            {"message": {"content": "A"}, "logprobs": {"content": [{"token": "A", "logprob": -0.1, "top_logprobs": [{"token": "A", "logprob": -0.1}]}]}},
            Reply("A", tops=(("A", -0.1),)),
        ),
        ({"message": {"content": "A"}, "logprobs": {"content": [{"token": "A", "logprob": -0.1}]}}, Reply("A", tops=(("A", -0.1),))),
        ({"message": {"content": "A"}, "logprobs": {"content": [{"token": "A", "logprob": float("nan")}]}}, Reply("A")),
        ({"message": {"content": "A"}, "logprobs": {"content": "?"}}, Reply("A")),
    ],
)
def test_replies_of_every_kind(choice: Body, expected: Reply) -> None:
    found = parse(completion(choice, "m"))
    assert (found.text, found.refused, found.tops) == (expected.text, expected.refused, expected.tops)


def test_odd_counts_of_tokens_are_none() -> None:
    row = {"choices": [{"message": {"content": "a"}}], "usage": {"prompt_tokens": -1, "completion_tokens": "many"}}
    assert parse(json.dumps(row).encode()) == Reply("a")


def test_a_callback_that_fails_is_heard() -> None:
    def fail(n: int, reply: Reply) -> None:
        raise OSError("disk full")

    before = threading.active_count()
    with serving(echo) as server, pytest.raises(OSError, match="disk full"):
        client(server.url).many([(1, ASKED)], fail)
    assert threading.active_count() <= before + 1


def test_what_was_answered_is_kept_when_somebody_interrupts() -> None:
    found: list[int] = []

    def interrupted(n: int, reply: Reply) -> None:
        found.append(n)
        if n == 0:
            raise KeyboardInterrupt

    with serving(echo, lambda number: Fault(wait=5.0) if "hang" in str(server.requests[number]) else None) as server:
        jobs = [(0, asked("q0")), *((n, asked("hang")) for n in range(1, 4))]
        with pytest.raises(KeyboardInterrupt):
            client(server.url, concurrency=4, timeout=60.0).many(jobs, interrupted)
        assert found == [0]  # and it did not wait for those that hang


def test_an_error_whose_body_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "RETRIES", 0)
    fault = Fault(400, b'{"error": {"message": "x"}}' * 20, drip=0.05)
    with serving(echo, lambda number: fault) as server:
        with pytest.raises(ServerError, match=r"not complete after 0\.3 seconds"):
            client(server.url, timeout=0.3).ask(ASKED)
        assert server.dripped < 200


def test_a_strangers_server_sees_nothing_of_the_account(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"OPENAI_ORG_ID": "org-mine", "OPENAI_PROJECT_ID": "proj-mine", "OPENAI_CUSTOM_HEADERS": "X-Gateway-Key: mine"}.items():
        monkeypatch.setenv(name, value)
    with serving(echo) as server:
        client(server.url, stranger=True).ask(ASKED)
        assert not [header for header in server.headers if "mine" in header]
        client(server.url).ask(ASKED)
        assert [header for header in server.headers if "mine" in header]


def test_a_packed_answer_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few bytes would unfold to gigabytes."""
    monkeypatch.setattr(clients, "RETRIES", 0)
    bomb = Fault(raw=gzip.compress(b"[" * 10_000_000), headers=(("content-encoding", "gzip"),))
    with serving(echo, lambda number: bomb) as server, pytest.raises(ServerError, match="no chat completion"):
        client(server.url).ask(ASKED)

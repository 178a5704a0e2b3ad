"""What an option's text may mean: a parser each, which raises ValueError saying what would be right."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

from pytest_mllmu.errors import did_you_mean

Show = Literal["both", "multimodal", "unimodal"]

MODELS = ("tiny-llava", "tiny-idefics2")
POLICIES = ("default", "strict", "acceptance", "mmunlearner", "off")
FAIL_ON = ("forget.*:+2", "test.*:+2", "retain.*:-2", "celebrity.*:-2", "general.*:-2")
"""What is a regression unless the user says it: two points remembered again, or lost."""
MAY_DIFFER = ("data", "seed", "dialect", "judge", "people")
FIGURES = (".png", ".svg", ".pdf")
REPORTS = (".json", ".jsonl", ".md", ".html", ".csv", ".tex", *FIGURES)
LISTS = (".csv", ".jsonl")
LABELS = ("answer", "upstream")
DTYPES = ("auto", "float32", "bfloat16", "float16")
ATTENTIONS = ("auto", "sdpa", "eager", "flash_attention_2")
YES_NO = ("no", "yes")
WRITTEN = "strict-written"
DIALECTS = ("strict", WRITTEN, "upstream", "upstream-submission")
OURS = DIALECTS[:2]
"""Dialects that are not the released code's."""


SCENARIOS = ("standard", "pretrained", "sequential")
TRAINABLE = ("language", "projector", "all")
SKILLS, AUTO = "skills", "auto"
SUBJECTS = ("ids", "hashed")
SERVED = "served:"
"""Before the name of a model that the endpoint serves, where a folder could stand."""


class Budget(NamedTuple):
    """What judging may cost in one run: US dollars, or requests."""

    dollars: float | None = None
    requests: int | None = None

    def __str__(self) -> str:
        return f"{self.requests} requests" if self.requests is not None else f"${self.dollars:g}"


class Price(NamedTuple):
    """US dollars for a million tokens that are read, and that are written."""

    read: float
    written: float


class Steps(NamedTuple):
    """Requests to forget, one after the other: the people to forget in so many equal parts, and parts of the same size that come later."""

    parts: int = 5
    later: int = 0

    def __str__(self) -> str:
        return f"{self.parts}+{self.later}" if self.later else str(self.parts)


STEPS = Steps()
"""PULSE's."""


class Known(NamedTuple):
    """How many of the celebrities that the base knows best take part, and how many of them are to be forgotten."""

    people: int
    forget: int

    def __str__(self) -> str:
        return f"{self.people},{self.forget}"


def one_of(kind: str, choices: Sequence[str]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"no {kind} {text!r}; there is {', '.join(choices)}{did_you_mean(text, choices)}")
        return text

    return parse


def several(parse: Callable[[str], Any]) -> Callable[[str], tuple[Any, ...]]:
    """Values separated by commas, each once, in the order given."""

    def parse_all(text: str) -> tuple[Any, ...]:
        parts = [part.strip() for part in text.split(",") if part.strip()]
        if not parts:
            raise ValueError("nothing is given")
        return tuple(dict.fromkeys(parse(part) for part in parts))

    return parse_all


def number(low: float, high: float, kind: type[int] | type[float] = int) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = kind(low) - 1
        if not low <= value <= high:
            raise ValueError(f"a {'whole ' if kind is int else ''}number from {low} to {high} is expected, not {text!r}")
        return value

    return parse


def model(text: str) -> str:
    if text in MODELS:
        return text
    if Path(text).expanduser().is_dir():
        return str(Path(text).expanduser().resolve())
    raise ValueError(f"no model {text!r}; there is {', '.join(MODELS)}, or give the folder of a checkpoint{did_you_mean(text, MODELS)}")


def data(text: str) -> str:
    path = Path(text).expanduser()
    if text == "synthetic" or path.is_dir():
        return text
    if path.is_file() or path.suffix.lower() in LISTS:
        if path.suffix.lower() not in LISTS:
            raise ValueError(f"the file {text!r} ends in neither {' nor '.join(LISTS)}; a list of people does{did_you_mean(path.suffix, LISTS)}")
        if not path.is_file():
            raise ValueError(f"no file {text!r}; give a list of people that is there, a folder, or 'synthetic'")
        return text
    hint = did_you_mean(path.suffix, LISTS) if path.suffix else did_you_mean(text, ["synthetic"])
    raise ValueError(f"no folder {text!r}; give a folder in the released parquet layout, a list of people, or 'synthetic'{hint}")


def path(*words: str) -> Callable[[str], str]:
    """A folder, as an absolute path, or one of some words."""

    def parse(text: str) -> str:
        if text in words:
            return text
        if not Path(text).expanduser().is_dir():
            there = f"; a folder{''.join(f', {word}' for word in words)} is expected" if words else ""
            raise ValueError(f"no folder {text!r}{there}{did_you_mean(text, words)}")
        return str(Path(text).expanduser().resolve())

    return parse


def reference(*words: str) -> Callable[[str], str]:
    """A folder, one of some words, or a model that the endpoint serves."""
    folder = path(*words)

    def parse(text: str) -> str:
        if not text.startswith(SERVED):
            return folder(text)
        if not text.removeprefix(SERVED).strip():
            raise ValueError(f"{text!r}: the name of a model that the endpoint serves is expected after {SERVED!r}")
        return text

    return parse


def address(text: str) -> str:
    """The address of an OpenAI-compatible server. It is printed in reports, so it must not hold a password."""
    try:
        parts = urlsplit(text)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        sound = False
    if not sound:
        raise ValueError(f"{text.rpartition('@')[2]!r:.200}: an address such as http://127.0.0.1:8000/v1 is expected")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError(
            "an address without user, password or query is expected: the key goes into an environment variable of its own (MLLMU_ENDPOINT_KEY, OPENAI_API_KEY)"
        )
    return text.rstrip("/")


def named(text: str) -> str:
    """The name of a model on a server, or a word of the user's own."""
    if not text.strip() or not text.isprintable():
        raise ValueError(f"{text!r:.200}: a name is expected")
    return text.strip()


def budget(text: str) -> Budget:
    """``5usd``, ``$5`` or ``500requests``."""
    found = re.fullmatch(r"(\$?)([0-9]+(?:\.[0-9]+)?)\s*(usd|requests?)?", text.strip().lower())
    if found is None or bool(found[1]) == bool(found[3]) or ((found[3] or "").startswith("request") and "." in found[2]):
        raise ValueError(f"{text!r}: say of what, such as 5usd or 500requests")
    return Budget(requests=int(found[2])) if (found[3] or "").startswith("request") else Budget(dollars=float(found[2]))


def price(text: str) -> Price:
    """``2.5,10``"""
    try:
        read, written = (float(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"{text!r}: two numbers are expected, US dollars for a million tokens read and written, such as 2.5,10") from None
    if not (0 <= read < 1e6 and 0 <= written < 1e6):
        raise ValueError(f"{text!r}: prices are from 0 to 1000000 US dollars for a million tokens")
    return Price(read, written)


def steps(text: str) -> Steps:
    """``5``, or ``5+1``"""
    found = re.fullmatch(r"\s*([0-9]{1,4})\s*(?:\+\s*([0-9]{1,4}))?\s*", text)
    if found is None or not int(found[1]):
        raise ValueError(f"{text!r:.80}: a number of steps such as 5 is expected, or 5+1 for one more that comes later")
    return Steps(int(found[1]), int(found[2] or 0))


def known(text: str) -> Known:
    """``45,20``"""
    found = re.fullmatch(r"\s*([0-9]{1,6})\s*,\s*([0-9]{1,6})\s*", text)
    if found is None or not 0 < int(found[2]) < int(found[1]):
        raise ValueError(f"{text!r:.80}: how many take part and how many of them are to be forgotten (at least 1, and not all) is expected, such as 45,20")
    return Known(int(found[1]), int(found[2]))


def general(text: str) -> str:
    if text in (AUTO, SKILLS, "no"):
        return text
    if not Path(text).expanduser().exists():
        words = ("skills", "no", "auto")
        near = did_you_mean(text, words) if text.isalpha() else ""
        raise ValueError(f"no file or folder {text!r}; give one with MMMU, MMBench or LLaVA-Bench, or {', '.join(words)}{near}")
    return str(Path(text).expanduser().resolve())


def device(text: str) -> str:
    if text.startswith("cuda:") and text[5:].isdigit():
        return text
    return one_of("device", ("auto", "cpu", "cuda", "mps"))(text)


def gates(text: str) -> str:
    """A policy's name, or the absolute path of a TOML file."""
    if text in POLICIES:
        return text
    path = Path(text).expanduser()
    if path.suffix.lower() != ".toml":
        raise ValueError(f"no gate policy {text!r}; there is {', '.join(POLICIES)}, or give a .toml file{did_you_mean(text, POLICIES)}")
    if not path.is_file():
        raise ValueError(f"no file {text!r}; there is {', '.join(POLICIES)}, or a .toml file with gates")
    return str(path.resolve())


def absolute(text: str) -> Path:
    return Path(text).expanduser().resolve()


def folder(text: str) -> Path:
    path = absolute(text)
    if path.exists() and not path.is_dir():
        raise ValueError(f"{text!r} is a file; a folder is expected")
    return path


def certificate(text: str) -> Path:
    path = absolute(text)
    if path.suffix.lower() != ".json":
        raise ValueError(f"{text!r}: a certificate ends in .json; its .md is written beside it")
    return _to_write(path, "certificate")


def report(text: str) -> Path:
    path = Path(text)
    if path.suffix.lower() not in REPORTS:
        raise ValueError(f"the report {text!r} ends in none of {', '.join(REPORTS)}{did_you_mean(path.suffix, REPORTS)}")
    if path.suffix.lower() in FIGURES and find_spec("matplotlib") is None:
        raise ValueError(f"the picture {text!r} needs matplotlib: pip install 'pytest-mllmu[report]'")
    return _to_write(path.resolve(), "report")


def _to_write(path: Path, what: str) -> Path:
    """Said before a session that may take hours, and not when it is over."""
    if not path.parent.is_dir():
        raise ValueError(f"no folder {str(path.parent)!r} to write the {what} {path.name!r} to")
    if path.is_dir():
        raise ValueError(f"{str(path)!r} is a folder; a file to write the {what} to is expected")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise ValueError(f"the folder {str(path.parent)!r} cannot be written, and the {what} {path.name!r} shall go there")
    return path

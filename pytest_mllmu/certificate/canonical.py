"""One way to write a certificate: the same content is the same bytes, so that no byte can be changed unnoticed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_mllmu.errors import StoreError
from pytest_mllmu.report.grid import printable

SCHEMA = 1
FIELDS = (
    "certificate_schema", "outcome", "statement", "subjects", "policy", "verdicts", "tested", "not_tested", "notes", "table", "models", "data",
    "dialect", "judge", "seed", "versions", "issued", "evidence", "scores", "digest",
)  # fmt: skip
"""In the order in which they are written; ``scores`` only where the answers are kept apart."""
MOST = 500_000_000
"""Bytes: what is larger is no certificate of ours. The paper's size makes some 15 million."""


def render(document: Mapping[str, Any]) -> str:
    """Canonical JSON, readable: a line for each verdict, question and cell. Raises ValueError for what JSON cannot say, such as nan."""
    unknown = sorted(set(document) - set(FIELDS))
    parts = [f"{_text(key)}: {_lines(document[key], 1)}" for key in (*FIELDS, *unknown) if key in document]
    return "{\n" + ",\n".join(parts) + "\n}\n"


def encoded(text: str) -> bytes:
    """As it is written to a file: half a surrogate pair, which some tokenizers give, as its JSON escape."""
    return text.encode("utf-8", "backslashreplace")


def _lines(value: Any, depth: int) -> str:
    """A line for each element of an outer list or of a list of objects, and for each key of the outer objects; all else is one line."""
    if isinstance(value, dict) and value and depth < 3:
        inner = [f"{' ' * depth}{_text(key)}: {_lines(value[key], depth + 1)}" for key in sorted(value)]
    elif isinstance(value, list) and value and (depth == 1 or isinstance(value[0], dict)):
        inner = [" " * depth + _text(part) for part in value]
    else:
        return _text(value)
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return opening + "\n" + ",\n".join(inner) + "\n" + closing


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))


def digest(document: Mapping[str, Any]) -> str:
    """sha256 of the canonical form of everything but the digest itself."""
    return hashlib.sha256(encoded(render({key: value for key, value in document.items() if key != "digest"}))).hexdigest()


def sealed(document: Mapping[str, Any]) -> dict[str, Any]:
    """With its digest, and exactly as it will be read back."""
    plain = parsed(encoded(render(document)))
    return {**plain, "digest": digest(plain)}


def parsed(content: bytes) -> dict[str, Any]:
    """Raises ValueError for what is not one JSON object."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON")

    try:
        found = json.loads(content.decode("utf-8"), parse_constant=refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("no JSON object")
    return found


def content_of(path: Path) -> bytes:
    """Of a file that may be forged. Raises ValueError when it is too large to be ours, and OSError."""
    content = bytearray()
    with path.open("rb") as file:  # piece by piece: what is no plain file does not say how large it is
        while part := file.read(1 << 20):
            content += part
            if len(content) > MOST:
                raise ValueError(f"larger than {MOST:,} bytes")
    return bytes(content)


def read(path: Path) -> tuple[bytes, dict[str, Any]]:
    """The bytes of a certificate and what they say. Raises StoreError, one line, for a file that is none."""
    try:
        content = content_of(path)
        document = parsed(content)
    except (OSError, ValueError) as error:
        raise StoreError(f"{path}: not a certificate: {getattr(error, 'strerror', None) or error}") from None
    schema = document.get("certificate_schema")
    if schema != SCHEMA or isinstance(schema, bool):
        raise StoreError(f"{path}: not a certificate that this version reads: certificate_schema is {printable(str(schema))[:40]}, {SCHEMA} is expected")
    return content, document


def faults(content: bytes, document: Mapping[str, Any]) -> list[str]:
    """What shows that a file is not as it was written."""
    try:
        found = [] if digest(document) == document.get("digest") else ["the digest is not that of the content: something was altered"]
        if encoded(render(document)) != content:
            found.append("the file is not in the form in which it was written: its bytes were altered, if only spaces or the order of keys")
    except (ValueError, TypeError, RecursionError) as error:
        return [f"the file is not in the form in which it was written ({error})"]
    return found

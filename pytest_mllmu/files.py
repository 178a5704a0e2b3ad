"""Files that are either the old or the new one, never half of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from pytest_mllmu.errors import StoreError


def write_text(path: Path, parts: Iterable[str], *, private: bool = False, failed: str = "the report cannot be written") -> None:
    """Write ``parts`` as UTF-8 with ``\\n`` line ends, atomically; folders are made. ``private``: for the user's own eyes.

    Raises StoreError, which says what ``failed``, when it cannot be done.
    """

    def fill(draft: Path) -> None:
        with draft.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
            if private:
                draft.chmod(0o600)  # before there is anything in it
            file.writelines(parts)

    _replace(path, fill, failed)


def write_bytes(path: Path, content: bytes, *, failed: str = "the report cannot be written") -> None:
    """The same of what is no text."""

    def fill(draft: Path) -> None:
        draft.write_bytes(content)

    _replace(path, fill, failed)


def _replace(path: Path, fill: Callable[[Path], None], failed: str) -> None:
    # Another process may write the same file at the same time: each has its own draft.
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fill(draft)
        draft.replace(path)
    except OSError as error:
        raise StoreError(f"{path}: {failed}: {error.strerror or error}") from None
    finally:
        with suppress(OSError):
            draft.unlink()

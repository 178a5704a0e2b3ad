"""What a library says, in one line."""

from __future__ import annotations


def said(error: Exception) -> str:
    """The first line of it, with the kind of error where the words alone tell little (a KeyError)."""
    first = next(iter(str(error).splitlines()), "")
    return first if isinstance(error, OSError | ValueError | RuntimeError | ImportError) and first else f"{type(error).__name__}: {first}"

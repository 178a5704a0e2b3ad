"""Keys that show nowhere: not in a log, an artefact or a traceback."""

from __future__ import annotations

import re

SHOWN = "***"
_LIKE = re.compile(r"\b(?:sk|pk|rk)-[\w*.-]{6,}|(?i:\bbearer\s+)\S+")
"""What looks like a key, such as the half of it that a server repeats in its complaint."""


class Secret(str):
    """A key: the text itself for the library that sends it, three stars for everybody who prints it with its quotes, as tracebacks do."""

    def __repr__(self) -> str:
        return repr(SHOWN)


def scrubbed(text: str, *secrets: str) -> str:
    """``text`` as one printable line of at most 300 characters, without the secrets and without what looks like one."""
    for secret in secrets:
        if len(secret) > 3:
            text = text.replace(secret, SHOWN)
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text[:10_000]).split())
    return _LIKE.sub(SHOWN, line)[:300]

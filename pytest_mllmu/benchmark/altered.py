"""A picture as somebody else would have taken it: what the test set shows of a person of whom there is only one picture."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field
from functools import cached_property, partial

from pytest_mllmu.benchmark.profiles import Picture

HOW = "mirrored, 6% off every edge, 10% brighter, at most 1024 pixels wide and high"
"""Also the name of the transformation: a change of it is another picture."""
EDGE, BRIGHTER, LONGEST = 0.06, 1.1, 1024


@dataclass(frozen=True, eq=False)
class Altered(Picture):
    """``source``, transformed when somebody looks at it. What identifies it is the source and ``HOW``, so a fingerprint transforms nothing."""

    source: Picture | None = field(default=None, repr=False)

    @cached_property
    def digest(self) -> str:
        assert self.source is not None
        return hashlib.sha256(f"{self.source.digest}/{HOW}".encode()).hexdigest()


def altered(picture: Picture) -> Picture:
    """Raises DataError, when looked at, for a picture that cannot be decoded."""
    return Altered(partial(_transformed, picture), picture.place, picture)


def _transformed(picture: Picture) -> bytes:
    """As PNG."""
    from PIL import ImageEnhance, ImageOps

    image = picture.decode()
    across, down = int(EDGE * image.width), int(EDGE * image.height)
    image = ImageOps.mirror(image.crop((across, down, image.width - across, image.height - down)))
    image.thumbnail((LONGEST, LONGEST))
    file = io.BytesIO()
    ImageEnhance.Brightness(image).enhance(BRIGHTER).save(file, "PNG")
    return file.getvalue()

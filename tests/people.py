"""Lists of people with small pictures, for tests."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageDraw

NAMES = ("Ann Lee", "Bo Kim", "Cy Fox", "Di Ray", "Ed Poe", "Flo Orr", "Gus Hay", "Hal Ito", "Ivy Lum", "Jo Nye", "Kai Ost", "Lea Pim")
TOWNS, JOBS, MEALS = ("Ulm", "Rome", "Oslo", "Lyon"), ("baker", "nurse", "pilot", "judge", "tailor"), ("soup", "rice", "fish")


def picture(path: Path, number: int = 0) -> Path:
    """A few discs, others for every number."""
    rng = random.Random(number)
    image = Image.new("RGB", (48, 40), _colour(rng))
    for _ in range(4):
        left, top = rng.randrange(40), rng.randrange(30)
        ImageDraw.Draw(image).ellipse((left, top, left + 14, top + 14), fill=_colour(rng))
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return path


def rows(count: int = len(NAMES)) -> list[dict[str, str]]:
    return [
        {
            "name": name,
            "image": f"{number}.png",
            "occupation": JOBS[number % 5],
            "residence": TOWNS[number % 4],
            "birth year": str(1950 + 3 * number),
            "Shoe size": str(36 + number),
            "favourite_meal": MEALS[number % 3],
        }
        for number, name in enumerate(NAMES[:count])
    ]


def as_csv(rows: Sequence[Mapping[str, str]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def write_list(folder: Path, rows: Sequence[Mapping[str, str]], name: str = "people.csv") -> Path:
    """The list and the pictures that it names."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, row in enumerate(rows):
        for place, image in enumerate(filter(None, row["image"].split(";"))):
            picture(folder / image.strip(), number + 100 * place)
    path = folder / name
    path.write_bytes(as_csv(rows).encode())
    return path


def _colour(rng: random.Random) -> tuple[int, int, int]:
    return rng.randrange(256), rng.randrange(256), rng.randrange(256)

"""Drawn faces: a few traits make an identity that survives pose, light and crop.

Size: RGB PNG, ``SIZE`` x ``SIZE``. The traits come from (seed, person); a pose, from (seed, person, pose number).
Pose 0 is the portrait of the profile; the others are the transformed images of the test set.
"""

from __future__ import annotations

import colorsys
import io
import random
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageEnhance

SIZE = 96
CANVAS = 128  # drawn larger, then reduced: smooth edges, and room to crop

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Face:
    """The traits that make an identity: colours, proportions and things worn."""

    skin: Colour
    hair: Colour
    eyes: Colour
    clothes: Colour
    backdrop: Colour
    width: int
    height: int
    hair_style: int
    eye_gap: int
    brow_tilt: int
    nose: int
    mouth: int
    beard: int
    glasses: Colour | None
    hat: Colour | None


@dataclass(frozen=True)
class Pose:
    """How a face is seen: degrees of roll, sideways turn and zoom in pixels of the canvas, and the light."""

    roll: float = 0.0
    turn: int = 0
    crop: int = 8
    light: float = 1.0


def face(seed: int, person: str) -> Face:
    rng = random.Random(f"{seed}/face/{person}")
    return Face(
        skin=_colour(rng, hue=(0.03, 0.11), saturation=(0.2, 0.65), value=(0.35, 1.0)),
        hair=_colour(rng, saturation=(0.3, 1.0), value=(0.1, 0.95)),
        eyes=_colour(rng, saturation=(0.4, 1.0), value=(0.3, 0.9)),
        clothes=_colour(rng, saturation=(0.4, 1.0), value=(0.2, 1.0)),
        backdrop=_colour(rng, saturation=(0.1, 0.8), value=(0.4, 1.0)),
        width=rng.randint(24, 36),
        height=rng.randint(32, 44),
        hair_style=rng.randrange(5),
        eye_gap=rng.randint(9, 15),
        brow_tilt=rng.randint(-4, 4),
        nose=rng.randint(4, 12),
        mouth=rng.randint(-6, 6),
        beard=rng.randrange(3),
        glasses=_colour(rng) if rng.random() < 0.4 else None,
        hat=_colour(rng, saturation=(0.5, 1.0)) if rng.random() < 0.3 else None,
    )


def pose(seed: int, person: str, number: int) -> Pose:
    if number == 0:
        return Pose()
    rng = random.Random(f"{seed}/pose/{person}/{number}")
    return Pose(roll=rng.uniform(-9, 9), turn=rng.randint(-5, 5), crop=rng.randint(4, 12), light=rng.uniform(0.82, 1.18))


def portrait(seed: int, person: str, number: int = 0) -> bytes:
    """The PNG of a person in pose ``number``."""
    seen = pose(seed, person, number)
    image = _draw(face(seed, person), seen.turn)
    image = image.rotate(seen.roll, resample=Image.Resampling.BILINEAR, fillcolor=image.getpixel((2, 2)))
    image = image.crop((seen.crop, seen.crop, CANVAS - seen.crop, CANVAS - seen.crop)).resize((SIZE, SIZE), Image.Resampling.BOX)
    image = ImageEnhance.Brightness(image).enhance(seen.light)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def _colour(
    rng: random.Random,
    hue: tuple[float, float] = (0.0, 1.0),
    saturation: tuple[float, float] = (0.3, 1.0),
    value: tuple[float, float] = (0.2, 1.0),
) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(rng.uniform(*hue), rng.uniform(*saturation), rng.uniform(*value))
    return round(red * 255), round(green * 255), round(blue * 255)


def _draw(traits: Face, turn: int) -> Image.Image:
    image = Image.new("RGB", (CANVAS, CANVAS), traits.backdrop)
    draw = ImageDraw.Draw(image)
    x, y = CANVAS // 2, CANVAS // 2 + 4
    draw.ellipse((x - 52, y + traits.height - 8, x + 52, y + traits.height + 70), fill=traits.clothes)
    draw.rectangle((x - 10, y + traits.height - 14, x + 10, y + traits.height + 4), fill=traits.skin)
    _hair_behind(draw, traits, x, y)
    draw.ellipse((x - traits.width, y - traits.height, x + traits.width, y + traits.height), fill=traits.skin)
    _hair_above(draw, traits, x, y)
    _features(draw, traits, x + turn, y)
    if traits.hat:
        top = y - traits.height
        draw.rectangle((x - traits.width - 6, top + 6, x + traits.width + 6, top + 13), fill=traits.hat)
        draw.rectangle((x - traits.width + 4, top - 14, x + traits.width - 4, top + 8), fill=traits.hat)
    return image


def _hair_behind(draw: ImageDraw.ImageDraw, traits: Face, x: int, y: int) -> None:
    long = {1: 30, 2: 50}.get(traits.hair_style)
    if long:
        draw.rounded_rectangle((x - traits.width - 8, y - traits.height, x + traits.width + 8, y + long), radius=20, fill=traits.hair)


def _hair_above(draw: ImageDraw.ImageDraw, traits: Face, x: int, y: int) -> None:
    if traits.hair_style == 4:
        return
    depth = 200 if traits.hair_style != 3 else 150
    start, end = 270 - depth // 2, 270 + depth // 2
    box = (x - traits.width - 3, y - traits.height - 6, x + traits.width + 3, y + traits.height - 10)
    draw.chord(box, start, end, fill=traits.hair)


def _features(draw: ImageDraw.ImageDraw, traits: Face, x: int, y: int) -> None:
    dark = (30, 20, 20)
    if traits.beard:
        draw.chord((x - traits.width + 6, y + 2, x + traits.width - 6, y + traits.height - 1), 10, 170, fill=traits.hair)
    for side in (-1, 1):
        centre = x + side * traits.eye_gap
        draw.ellipse((centre - 6, y - 8, centre + 6, y + 2), fill=(245, 245, 245))
        draw.ellipse((centre - 4, y - 7, centre + 4, y + 1), fill=traits.eyes)
        draw.line((centre - 7, y - 13 - side * traits.brow_tilt, centre + 7, y - 13 + side * traits.brow_tilt), fill=traits.hair, width=3)
        if traits.glasses:
            draw.ellipse((centre - 9, y - 12, centre + 9, y + 6), outline=traits.glasses, width=3)
    draw.polygon(((x, y), (x - 4, y + traits.nose), (x + 4, y + traits.nose)), fill=tuple(max(0, part - 50) for part in traits.skin))
    if traits.beard == 2:
        draw.rectangle((x - 12, y + 13, x + 12, y + 17), fill=traits.hair)
    low = y + 21
    start, end = (0, 180) if traits.mouth >= 0 else (180, 360)
    draw.arc((x - 11, low - abs(traits.mouth) - 1, x + 11, low + abs(traits.mouth) + 1), start, end, fill=(170, 40, 50), width=4)
    draw.point((x, low), fill=dark)

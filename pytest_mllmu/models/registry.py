"""Which family serves which checkpoints."""

from __future__ import annotations

from pytest_mllmu.errors import ModelError, did_you_mean
from pytest_mllmu.models.families import Family
from pytest_mllmu.models.llava import Llava


def families() -> dict[str, Family]:
    """By ``config.model_type``."""
    return {family.model_type: family for family in (Llava(),)}


def family_of(model_type: str) -> Family:
    known = families()
    if model_type not in known:
        raise ModelError(f"no model family for {model_type!r}; known: {', '.join(sorted(known))}{did_you_mean(model_type, known)}")
    return known[model_type]

"""Whether the models of a session can be compared: what is handed in has the architecture of what it was made from. Headers and configs only."""

from __future__ import annotations

import filecmp
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pytest_mllmu.errors import ModelError
from pytest_mllmu.models.headers import COUNTERS, Stored, plain
from pytest_mllmu.models.untrusted import Checkpoint, inspect
from pytest_mllmu.options import SERVED
from pytest_mllmu.settings import Settings

WORDS = ("base", "vanilla", "oracle", "auto", "build")
"""What stands for a model that is not handed in."""
SIZES = (
    "model_type", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim", "vocab_size", "image_size",
    "patch_size", "depth", "embed_dim", "num_heads", "projection_dim",
)  # fmt: skip
"""Entries of a configuration that make an architecture, at any depth; those that only one of two files has are defaults in the other."""
ASKING = ("tokenizer.json", "chat_template.jinja", "processor_config.json", "preprocessor_config.json")
"""Files that decide what a model gets to read and see."""
ADAPTED = re.compile(r"base_model\.model\.(.+)\.lora_(A|B)\.weight")


def handed_in(settings: Settings) -> tuple[str, ...]:
    """Looks at every checkpoint that the settings name, alone and beside what it was made from, and returns what to say about them.

    Raises ModelError in one line, starting with the option.
    """
    found: dict[str, Checkpoint] = {}
    for name in ("model", "vanilla", "oracle", "candidate"):
        folder = getattr(settings, name)
        if folder is None or (name == "model" and (settings.embedded or settings.baseless)) or folder in WORDS or folder.startswith(SERVED):
            continue
        try:
            found[name] = inspect(Path(folder))
        except ModelError as error:
            raise ModelError(f"--mllmu-{name}: {error}") from None
    if "model" in found and found["model"].adapter:
        raise ModelError(f"--mllmu-model: {settings.model}: a LoRA adapter is no model of its own; give the folder of the full checkpoint")
    for name, checkpoint in found.items():
        other, parent = _parent(name, checkpoint, found)
        if wrong := _wrong(checkpoint, parent, settings, other):
            raise ModelError(f"--mllmu-{name}: {wrong}")
    return tuple(f"--mllmu-{name}: {note}" for name, checkpoint in found.items() for note in [*checkpoint.notes, *_asked_otherwise(name, checkpoint, found)])


def _parent(name: str, checkpoint: Checkpoint, found: Mapping[str, Checkpoint]) -> tuple[str, Checkpoint | None]:
    """What a checkpoint was made from, as far as it is handed in: for a candidate the vanilla, or what that was made from; for the others the base."""
    vanilla = found.get("vanilla")
    nearest = vanilla is not None and not vanilla.adapter and (name == "candidate" or (name == "oracle" and not checkpoint.adapter))
    if nearest:
        return "vanilla", vanilla
    return "base", found.get("model") if name != "model" else None


def _wrong(checkpoint: Checkpoint, parent: Checkpoint | None, settings: Settings, other: str) -> str:
    """In what way a checkpoint cannot have been made from another, in a line that names both."""
    if parent is not None:
        wrong = _unfit(checkpoint, parent) if checkpoint.adapter else _difference(checkpoint, parent)
        named = f"the {other} {parent.folder}"
    else:
        wrong, named = "" if checkpoint.adapter or not settings.embedded else _sizes(checkpoint.config, _embedded(settings.model)), f"the base {settings.model}"
    if not wrong:
        return ""
    return f"{checkpoint.folder} {wrong} {named}; both need the same architecture"


def _embedded(name: str) -> dict[str, Any]:
    """What tells an embedded model from others of its type, without building it."""
    from pytest_mllmu.embedded.embedded import HIDDEN, LAYERS

    return {"model_type": name.removeprefix("tiny-"), "text_config": {"hidden_size": HIDDEN, "num_hidden_layers": LAYERS}}


# --- whole models ---


def _difference(one: Checkpoint, other: Checkpoint) -> str:
    """The first difference of two whole models, to be read before the other's name; nothing when they are alike.

    A ``lm_head`` that is tied to the embeddings need not be stored.
    """
    if wrong := _sizes(one.config, other.config):
        return wrong
    if one.quantised or other.quantised:  # packed weights have other names and shapes; that they fit shows when they are loaded
        return ""
    mine, theirs = _alike(one.tensors), _alike(other.tensors)
    for name in sorted(mine.keys() & theirs.keys()):
        if mine[name] != theirs[name]:
            return f"has {plain(name)} of the shape {_shown(mine[name])}, not {_shown(theirs[name])} as"
    surplus, missing = (
        sorted(name for name in some if not name.endswith("lm_head.weight")) for some in (mine.keys() - theirs.keys(), theirs.keys() - mine.keys())
    )
    if sorted(mine[name] for name in surplus) == sorted(theirs[name] for name in missing):  # another version's names for the same
        return ""
    return f"has the tensor {plain(surplus[0])}, unlike" if surplus else f"lacks the tensor {plain(missing[0])}, unlike"


def _sizes(one: Mapping[str, Any], other: Mapping[str, Any], place: str = "") -> str:
    """The first size that two configurations give differently."""
    for name in SIZES:
        if name in one and name in other and one[name] is not None and other[name] is not None and one[name] != other[name]:
            if name == "model_type" and not place:
                return f"is of the type {plain(one[name])!r}, not {plain(other[name])!r} as"
            return f"has {plain(place + name)} {plain(one[name])}, not {plain(other[name])} as"
    for name in sorted(one.keys() & other.keys()):
        inner, theirs = one[name], other[name]
        nested = isinstance(inner, dict) and isinstance(theirs, dict) and name.endswith("_config") and name != "quantization_config"
        if nested and (wrong := _sizes(inner, theirs, f"{place}{name}.")):
            return wrong
    return ""


def _alike(tensors: Mapping[str, Stored]) -> dict[str, list[tuple[int, ...]]]:
    """Shapes by a name that is the same in all of transformers' versions, which have moved its parts to and fro."""
    found: dict[str, list[tuple[int, ...]]] = {}
    for name, stored in tensors.items():
        if not name.endswith(COUNTERS):
            found.setdefault(_short(name), []).append(stored.shape)
    return {name: sorted(shapes) for name, shapes in found.items()}


def _short(name: str) -> str:
    return ".".join(part for part in name.split(".") if part not in ("model", "language_model", "vision_model"))


def _shown(shapes: list[tuple[int, ...]]) -> str:
    return ", ".join(map(str, shapes))


# --- adapters ---


def _unfit(adapter: Checkpoint, base: Checkpoint) -> str:
    """Which layer of an adapter has another size than the base's, as far as names agree; the rest shows when it is put on."""
    if base.quantised:
        return ""
    layers = _alike(base.tensors)
    for name, stored in sorted(adapter.tensors.items()):
        found = ADAPTED.fullmatch(name)
        shapes = layers.get(_short(f"{found[1]}.weight")) if found else None
        if found is None or shapes is None or len(shapes) != 1 or len(shapes[0]) != 2 or len(stored.shape) != 2:
            continue
        outputs, inputs = shapes[0]
        size, wanted = (stored.shape[1], inputs) if found[2] == "A" else (stored.shape[0], outputs)
        if size != wanted:
            return f"has {plain(name)} for a layer of size {size}, not {wanted} as"
    return ""


def _asked_otherwise(name: str, checkpoint: Checkpoint, found: Mapping[str, Checkpoint]) -> Iterator[str]:
    """A note when a model reads its questions in another way than the vanilla: then it is compared on more than its weights."""
    vanilla = found.get("vanilla")
    if name not in ("candidate", "oracle") or checkpoint.adapter or vanilla is None or vanilla.adapter:
        return
    pairs = [(file, checkpoint.folder / file, vanilla.folder / file) for file in ASKING]
    if other := [file for file, one, two in pairs if (one.is_file(), two.is_file()) != (False, False) and not _same(one, two)]:
        yield f"asked with its own {', '.join(other)}, other than the vanilla's"


def _same(one: Path, two: Path) -> bool:
    return one.is_file() and two.is_file() and filecmp.cmp(one, two, shallow=False)

"""Image features of frozen modules, computed once a picture instead of once a row and step."""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from pytest_mllmu.benchmark.profiles import Picture
from pytest_mllmu.models.families import Bundle

if TYPE_CHECKING:
    import torch

FEATURE_CACHE_BYTES = 2**30
"""LLaVA-1.5-7B in half precision: 4.7 MB a picture, so 220 pictures."""


class Features:
    """The newest features of a bundle's model within ``room`` bytes.

    Each picture goes through the tower alone: what its features are to the last bit must not depend on which others came with it, or a
    training that is taken up in the middle would differ from one that was not interrupted.
    """

    def __init__(self, bundle: Bundle, room: int | None = None) -> None:
        self._bundle, self._room, self._bytes = bundle, FEATURE_CACHE_BYTES if room is None else room, 0
        self._kept: OrderedDict[str, torch.Tensor] = OrderedDict()

    def inputs(self, pictures: Sequence[Picture], pixels: Callable[[Picture], dict[str, torch.Tensor]]) -> dict[str, Any]:
        """Model inputs in the place of the pictures' pixels, in their order."""
        return as_inputs([self._of(picture, pixels) for picture in pictures])

    def _of(self, picture: Picture, pixels: Callable[[Picture], dict[str, torch.Tensor]]) -> torch.Tensor:
        key = picture.digest
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        found = self._compute(pixels(picture))
        self._kept[key] = found
        self._bytes += found.nbytes
        while self._bytes > self._room and self._kept:
            self._bytes -= self._kept.popitem(last=False)[1].nbytes
        return found

    def _compute(self, pixels: dict[str, torch.Tensor]) -> torch.Tensor:
        import torch

        with torch.no_grad(), _asleep(self._bundle.family.vision(self._bundle.model)):
            return image_features(self._bundle, pixels)[0]


def image_features(bundle: Bundle, pixels: Mapping[str, torch.Tensor]) -> list[torch.Tensor]:
    """What the model makes of some images' pixels: tensors that, joined along their first dimension, stand in the images' place."""
    found = bundle.model.get_image_features(**{key: value.to(bundle.device) for key, value in pixels.items()}).pooler_output
    if isinstance(found, list | tuple):  # a tensor an image
        return [*found]
    return [row[None] for row in found] if found.dim() == 3 else [found]  # an image a row


def as_inputs(features: list[torch.Tensor]) -> dict[str, Any]:
    """Model inputs in the place of pixels, for the images in their order."""
    from transformers.modeling_outputs import BaseModelOutputWithPooling

    return {"mm_encoder_outputs": {"image": BaseModelOutputWithPooling(pooler_output=features)}}


def can(bundle: Bundle) -> bool:
    """Whether the model takes image features in the place of pixels, and the family says that they depend on nothing else."""
    return bool(bundle.family.vision(bundle.model)) and "mm_encoder_outputs" in inspect.signature(bundle.model.forward).parameters


def frozen(bundle: Bundle) -> bool:
    """Whether features stay what they are while the bundle's model is trained."""
    return can(bundle) and not any(parameter.requires_grad for module in bundle.family.vision(bundle.model) for parameter in module.parameters())


@contextmanager
def _asleep(modules: Sequence[Any]) -> Iterator[None]:
    """Without dropout, as a frozen module should be even while the rest is in training."""
    with ExitStack() as stack:
        for module in modules:
            stack.callback(module.train, module.training)
            module.eval()
        yield

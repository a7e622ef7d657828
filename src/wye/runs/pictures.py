"""Test images that a run folder keeps: some with their reconstructions, and the worst mistakes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    # What runs measured is listed without torch.
    from torch import Tensor


class Examples(NamedTuple):
    """Test images and what the network makes of them, uint8 `(N, C, H, W)` each.

    Attributes:
        originals: what the decoder should have given.
        reconstructions: what it gave.
        inputs: what the network was shown, where that was corrupted; else None.
        indices: `(N,)`, which of the test images they are; None in a run of an earlier version.
    """

    originals: Tensor
    reconstructions: Tensor
    inputs: Tensor | None = None
    indices: Tensor | None = None

    @classmethod
    def read(cls, tensors: Mapping[str, Tensor]) -> Examples:
        """From what `examples.safetensors` holds.

        Raises:
            ValueError, TypeError: it is damaged.
        """
        found = cls(**tensors)
        images = [part for part in found[:3] if part is not None]
        if not all(map(_are_images, images)) or len({(len(i), *i.shape[2:]) for i in images}) > 1:
            raise ValueError("images")
        if found.indices is not None and found.indices.shape != images[0].shape[:1]:
            raise ValueError("indices")
        return found


class Mistakes(NamedTuple):
    """Test images that were given a wrong class, those with the highest probability of it first.

    Attributes:
        pixels: as the network was shown them, uint8 `(N, C, H, W)`.
        indices: which of the test images they are, int64 `(N,)`.
        labels, predicted: their true class and the given one, int64 `(N,)`.
        probability: of the given one, float32 `(N,)`.
    """

    pixels: Tensor
    indices: Tensor
    labels: Tensor
    predicted: Tensor
    probability: Tensor

    @classmethod
    def read(cls, tensors: Mapping[str, Tensor]) -> Mistakes:
        """From what `mistakes.safetensors` holds.

        Raises:
            ValueError, TypeError: it is damaged.
        """
        found = cls(**tensors)
        count = found.pixels.shape[:1]
        if not _are_images(found.pixels) or any(each.shape != count for each in found[1:]):
            raise ValueError("images")
        return found


def _are_images(pixels: Tensor) -> bool:
    kind = str(pixels.dtype) == "torch.uint8"
    return kind and pixels.ndim == 4 and pixels.shape[1] in (1, 3)


def class_name(output: int, classes: Sequence[str]) -> str:
    """The class of an output; a spare one has a number."""
    return classes[output] if output < len(classes) else f"output {output + 1}"

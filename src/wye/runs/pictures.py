"""Test images that a run folder keeps: some with their reconstructions, and the worst mistakes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    # What runs measured is listed without torch.
    from torch import Tensor


MOST = 1000
"""Images that a run keeps are some ten; a picture of more than these takes minutes."""
MOST_VALUES = 80_000_000
"""Of all of them."""


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
        for part in images:
            _check_images(part)
        if len({(len(part), *part.shape[2:]) for part in images}) > 1:
            raise ValueError("its images are not of one shape")
        if not len(images[0]):
            raise ValueError("it holds no image")
        if found.indices is not None:
            _check_places(found.indices, len(images[0]))
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
        _check_images(found.pixels)
        for whole in (found.indices, found.labels, found.predicted):
            _check_places(whole, len(found.pixels))
        kind = found.probability.is_floating_point()
        if not kind or found.probability.shape != found.labels.shape:
            raise ValueError("its probabilities are not one number of each image")
        return found


def _check_images(pixels: Tensor) -> None:
    if str(pixels.dtype) != "torch.uint8" or pixels.ndim != 4 or pixels.shape[1] not in (1, 3):
        raise ValueError("its images are not uint8 of shape (N, C, H, W)")
    if len(pixels) > MOST or pixels.numel() > MOST_VALUES:
        raise ValueError(f"it holds {len(pixels):,} images of {tuple(pixels.shape[1:])}, too many")
    if len(pixels) and not pixels.numel():
        raise ValueError("its images have no pixels")


def _check_places(places: Tensor, count: int) -> None:
    kind = str(places.dtype) == "torch.int64" and places.shape == (count,)
    if not kind or bool((places < 0).any()):
        raise ValueError("it does not say which images they are, and of which class")


def class_name(output: int, classes: Sequence[str]) -> str:
    """The class of an output; a spare one has a number."""
    return classes[output] if output < len(classes) else f"output {output + 1}"

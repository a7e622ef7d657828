"""Random transformations of whole batches, written as lines such as `flip > crop(4)`.

A line is a sequence of symbols; `pipeline` makes a function of it:

    augment = pipeline("flip > crop(4) > affine(rotate=10, shift=0.1, scale=0.1)")
    batch = augment(images, generator)

- Images are `(N, C, H, W)`, uint8 or float in [0, 1], on any device, in either memory format;
  the generator lives on the same device. The input is never written to.
- Each image has its own draws. All of them come from the generator, a batch at a time, so that
  the same generator state gives the same batch.
- Symbols that only move pixels (flip, vflip, transpose, crop, randomcrop, centre, cutout) keep
  uint8 as it is: put them first, where they cost least. The others give float32.
- Order matters: `cutout(8) > noise(0.1)` has noise in the square, the reverse has not.

A new symbol is a function `f(images, generator, settings) -> images` registered in `TRANSFORMS`;
the annotations of its settings are their schema, and the tests find it by itself.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

# Importing the two modules registers their symbols.
from wye.data import transforms_geometry, transforms_photometry  # noqa: F401
from wye.data.transforms_alphabet import TRANSFORMS, as_float
from wye.notation import NotationError

__all__ = ["TRANSFORMS", "Transform", "as_float", "pipeline"]

Transform = Callable[[Tensor, torch.Generator], Tensor]


def pipeline(text: str, where: str = "") -> Transform:
    """The function that a line stands for; an empty line hands images on as they are.

    Args:
        text: the line.
        where: the setting that holds the line, for messages.

    Raises:
        NotationError: here if the line cannot be read; from the function, pointing at the
            symbol, if the images do not suit it (a window larger than the image).
    """
    try:
        calls = TRANSFORMS.read(text)
    except NotationError as error:
        raise error.at(where) from None

    def apply(images: Tensor, generator: torch.Generator) -> Tensor:
        if not calls:
            return images
        # Inside the trainer's autocast the matrix products would lose 16 of their 24 bits.
        with torch.autocast(images.device.type, enabled=False):
            for call in calls:
                try:
                    images = call(images, generator)
                except ValueError as error:
                    problem = f"{call.item} cannot be applied: {error}"
                    raise call.error(problem).at(where) from None
        return images

    return apply

"""What every data set is to the rest of the program: pixels, labels and class names."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from wye.data.inspection import Inspection
from wye.data.reading import Reading
from wye.data.storage import Pixels, taken


@dataclass(frozen=True)
class Images:
    """Labelled images.

    Attributes:
        pixels: `(N, C, H, W)`, C of 1 or 3: uint8, or float32 in units where black is 0 and white
            1. Floats may lie outside, where noise was added that is not clipped; a data set as
            published is uint8. Those of a large folder stay in a file, see `StoredPixels`.
        labels: int64 `(N,)`, positions in the data set's `classes`; -1 where there is none.
    """

    pixels: Pixels
    labels: Tensor

    def __post_init__(self) -> None:
        if self.pixels.dtype not in (torch.uint8, torch.float32) or self.pixels.ndim != 4:
            raise ValueError("pixels must be uint8 or float32 of shape (N, C, H, W)")
        if self.labels.dtype != torch.int64 or self.labels.shape != self.pixels.shape[:1]:
            raise ValueError("labels must be int64 of shape (N,)")

    def __len__(self) -> int:
        return len(self.pixels)

    def take(self, indices: Tensor) -> Images:
        """The images at `indices`, in that order."""
        return Images(taken(self.pixels, indices), self.labels[indices])


@dataclass(frozen=True)
class DataSet:
    """A data set as published: a training part, a test part and the names of its classes.

    Attributes:
        unlabelled: images of no known class, for training; None where there are none.
        validation: the validation part, where the data set has one of its own.
        inspection: what was found in a person's own images.
        reading: how those were brought to this form.
    """

    name: str
    classes: tuple[str, ...]
    train: Images
    test: Images
    unlabelled: Images | None = None
    validation: Images | None = None
    inspection: Inspection | None = None
    reading: Reading | None = None

    def __post_init__(self) -> None:
        if not self.train.pixels.dtype == self.test.pixels.dtype == torch.uint8:
            raise ValueError("the pixels of a data set must be uint8")

    @property
    def shape(self) -> tuple[int, int, int]:
        """`(C, H, W)` of one image."""
        channels, height, width = self.train.pixels.shape[1:]
        return channels, height, width

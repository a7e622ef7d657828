"""What every data set is to the rest of the program: uint8 pixels, labels and class names."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Images:
    """Labelled images.

    Attributes:
        pixels: uint8 `(N, C, H, W)`, C of 1 or 3.
        labels: int64 `(N,)`, positions in the data set's `classes`.
    """

    pixels: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        if self.pixels.dtype != torch.uint8 or self.pixels.ndim != 4:
            raise ValueError("pixels must be uint8 of shape (N, C, H, W)")
        if self.labels.dtype != torch.int64 or self.labels.shape != self.pixels.shape[:1]:
            raise ValueError("labels must be int64 of shape (N,)")

    def __len__(self) -> int:
        return len(self.pixels)

    def take(self, indices: Tensor) -> Images:
        """The images at `indices`, in that order."""
        return Images(self.pixels[indices], self.labels[indices])


@dataclass(frozen=True)
class DataSet:
    """A data set as published: a training part, a test part and the names of its classes."""

    name: str
    classes: tuple[str, ...]
    train: Images
    test: Images

    @property
    def shape(self) -> tuple[int, int, int]:
        """`(C, H, W)` of one image."""
        channels, height, width = self.train.pixels.shape[1:]
        return channels, height, width

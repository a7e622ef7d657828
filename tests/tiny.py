"""A data set small enough for any test."""

from __future__ import annotations

import torch

from wye.data.images import DataSet, Images


def tiny_set(count: int = 60, classes: int = 3) -> DataSet:
    """Images whose mean brightness tells the class."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(count) % classes
    noise = torch.randint(0, 60, (count, 3, 8, 8), generator=generator)
    pixels = (noise + 70 * labels.view(-1, 1, 1, 1)).to(torch.uint8)
    images = Images(pixels, labels)
    return DataSet("tiny", tuple("abc"[:classes]), images, images.take(torch.arange(30)))

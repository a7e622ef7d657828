"""The shape of a recipe's images, without loading a built-in data set."""

from __future__ import annotations

import torch

from wye.data.catalog import DATASETS
from wye.data.sources import load
from wye.data.transforms import pipeline
from wye.recipe.schema import DataSettings


def input_shape(settings: DataSettings) -> tuple[tuple[int, int, int], int]:
    """`(C, H, W)` of an image as the encoder sees it, and the number of classes.

    Raises:
        UsageError: no such data set or folder.
        NotationError: the line `data.prepare` cannot be read.
    """
    if settings.name in DATASETS:
        source = DATASETS[settings.name]
        shape, classes = source.shape, len(source.classes)
    else:
        dataset = load(settings.name, image_size=settings.image_size)
        shape, classes = dataset.shape, len(dataset.classes)
    probe = torch.zeros((1, settings.channels or shape[0], *shape[1:]), dtype=torch.uint8)
    if settings.prepare:
        probe = pipeline(settings.prepare)(probe, torch.Generator())
    channels, height, width = probe.shape[1:]
    return (channels, height, width), classes

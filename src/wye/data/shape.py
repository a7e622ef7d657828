"""The shape of a recipe's images, without loading a built-in data set."""

from __future__ import annotations

import torch

from wye.data.catalog import DATASETS
from wye.data.sources import load
from wye.data.subset import class_names
from wye.data.transforms import pipeline
from wye.recipe.schema import DataSettings


def input_shape(settings: DataSettings) -> tuple[tuple[int, int, int], int]:
    """`(C, H, W)` of an image as the network is measured on it, and the number of classes.

    Raises:
        UsageError: no such data set or folder, or `data.classes` doesn't suit it.
        NotationError: a line of transformations cannot be read.
    """
    for name in ("prepare_test", "augment", "corrupt"):
        pipeline(getattr(settings, name), f"data.{name}")
    if settings.name in DATASETS:
        source = DATASETS[settings.name]
        shape, classes = source.shape, source.classes
    else:
        dataset = load(settings.name, image_size=settings.image_size)
        shape, classes = dataset.shape, dataset.classes
    probe = torch.zeros((1, settings.channels or shape[0], *shape[1:]), dtype=torch.uint8)
    for name in ("prepare", "view"):
        probe = pipeline(getattr(settings, name), f"data.{name}")(probe, torch.Generator())
    channels, height, width = probe.shape[1:]
    return (channels, height, width), len(class_names(classes, settings.classes))

"""Batches: drawn, augmented and normalised as whole tensors, without worker processes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from wye.data.images import Images
from wye.data.prepare import Prepared
from wye.data.transforms_geometry import resize
from wye.streams import Streams


class Batch(NamedTuple):
    """What one step sees: `inputs` and `targets` are `(N, C, H, W)`, `labels` `(N,)`."""

    inputs: Tensor
    targets: Tensor
    labels: Tensor


def training_batches(
    data: Prepared,
    batch_size: int,
    streams: Streams,
    epoch: int,
    image_size: int | None = None,
) -> Iterator[Batch]:
    """One epoch of shuffled, augmented batches.

    Order, augmentation and corruption depend on the streams and the epoch alone.

    Args:
        image_size: side that the augmented images are resized to; their own if None.
    """
    images, device = data.train, data.train.pixels.device
    order = torch.randperm(len(images), generator=streams.generator("order", epoch)).to(device)
    augmentation = streams.generator("augmentation", epoch, device=device)
    noise = streams.generator("noise", "input", epoch, device=device)
    for indices in order[: steps_per_epoch(len(images), batch_size) * batch_size].split(batch_size):
        pixels = images.pixels[indices]
        if data.augment is not None:
            pixels = data.augment(pixels, augmentation)
        if image_size is not None:
            pixels = resize(pixels, augmentation, image_size)
        yield _batch(data, pixels, images.labels[indices], noise)


def evaluation_batches(
    data: Prepared, images: Images, batch_size: int, streams: Streams, part: str
) -> Iterator[Batch]:
    """The images of `part` in order, not augmented; a corruption is the same at every call."""
    noise = streams.generator("noise", part, device=images.pixels.device)
    for pixels, labels in zip(
        images.pixels.split(batch_size), images.labels.split(batch_size), strict=True
    ):
        yield _batch(data, pixels, labels, noise)


def steps_per_epoch(images: int, batch_size: int) -> int:
    """Batches of an epoch; a last batch of a single image is left out.

    Batch normalisation cannot measure a variance on one image.
    """
    full, rest = divmod(images, batch_size)
    return max(full + (rest > 1), 1)


def _batch(data: Prepared, pixels: Tensor, labels: Tensor, noise: torch.Generator) -> Batch:
    layout = torch.channels_last
    if data.corrupt is None and data.targets is data.inputs:
        inputs = data.inputs.apply(pixels).contiguous(memory_format=layout)
        return Batch(inputs, inputs, labels)
    seen = pixels if data.corrupt is None else data.corrupt(pixels, noise)
    return Batch(
        data.inputs.apply(seen).contiguous(memory_format=layout),
        data.targets.apply(pixels).contiguous(memory_format=layout),
        labels,
    )

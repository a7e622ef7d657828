"""The test images that every gallery shows, and what a network makes of them."""

from __future__ import annotations

import torch
from torch import Tensor

from wye.data.prepare import Prepared
from wye.evaluation.measure import answers
from wye.network.build import Network
from wye.streams import Streams

GALLERY = (1000, 1001, 1002, 1003, 1005, 1008, 1009, 1024, 1037, 1038)
"""The test images of study S0's published galleries."""


def examples(
    network: Network, data: Prepared, streams: Streams, precision: str
) -> tuple[Tensor, Tensor] | None:
    """Originals and reconstructions of the ten images, uint8 `(N, C, H, W)` each.

    None where there is no decoder.
    """
    if network.decoder is None:
        return None
    images = data.test.take(example_indices(len(data.test)))
    found = list(answers(network, data, images, "gallery", streams, precision))
    originals = torch.cat([answer.originals for answer in found])
    rebuilt = [each.reconstructions for each in found if each.reconstructions is not None]
    return as_pixels(originals), as_pixels(torch.cat(rebuilt))


def example_indices(count: int) -> Tensor:
    """Ten of `count` test images: the published ones, or ten spread evenly over a smaller set."""
    if count > max(GALLERY):
        return torch.tensor(GALLERY)
    return torch.linspace(0, count - 1, min(10, count)).long()


def as_pixels(images: Tensor) -> Tensor:
    """[0, 1] as uint8."""
    return images.mul(255).round().clamp(0, 255).to(torch.uint8)

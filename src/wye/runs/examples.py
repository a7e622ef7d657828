"""The test images that every gallery shows, and what a network makes of them."""

from __future__ import annotations

import torch
from torch import Tensor

from wye.data.prepare import Prepared
from wye.data.transforms import Transform
from wye.evaluation.measure import answers
from wye.network.build import Network
from wye.runs.pictures import Examples
from wye.streams import Streams

GALLERY = (1000, 1001, 1002, 1003, 1005, 1008, 1009, 1024, 1037, 1038)
"""The test images of study S0's published galleries."""


def examples(
    network: Network,
    data: Prepared,
    streams: Streams,
    precision: str,
    corrupt: Transform | None = None,
) -> Examples | None:
    """What the network makes of ten test images; None where there is no decoder.

    Args:
        corrupt: of the inputs, as in `evaluation.corrupt`; as `data` has it if None.
    """
    if network.decoder is None:
        return None
    chosen = example_indices(len(data.test))
    images = data.test.take(chosen)
    found = list(answers(network, data, images, "gallery", streams, precision, corrupt=corrupt))
    originals = torch.cat([answer.originals for answer in found])
    made = [each.reconstructions for each in found if each.reconstructions is not None]
    corrupted = corrupt is not None or (
        data.corrupt is not None and data.corrupt_in == "everywhere"
    )
    return Examples(
        as_pixels(originals),
        as_pixels(torch.cat(made)),
        as_pixels(torch.cat([answer.inputs for answer in found])) if corrupted else None,
        chosen,
    )


def example_indices(count: int) -> Tensor:
    """Ten of `count` test images: the published ones, or ten spread evenly over a smaller set."""
    if count > max(GALLERY):
        return torch.tensor(GALLERY)
    return torch.linspace(0, count - 1, min(10, count)).long()


def as_pixels(images: Tensor) -> Tensor:
    """[0, 1] as uint8."""
    return images.mul(255).round().clamp(0, 255).to(torch.uint8)

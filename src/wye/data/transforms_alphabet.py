"""What all image transformations share: their alphabet, the range of images and the draws."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from wye.notation import Alphabet

Probability = Annotated[float, Field(ge=0, le=1)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Size = Annotated[int, Field(gt=0, le=4096)]

TRANSFORMS: Alphabet[Tensor] = Alphabet("transformation", given=2)


def as_float(images: Tensor) -> Tensor:
    """Images as float32 in [0, 1]: uint8 is divided by 255, floats keep their values."""
    return images.float().div_(255) if images.dtype == torch.uint8 else images.float()


def uniform(images: Tensor, generator: torch.Generator, low: float, high: float) -> Tensor:
    """One number from [low, high) for each image, float32 `(N, 1, 1, 1)`."""
    draws = torch.empty((len(images), 1, 1, 1), device=images.device)
    return draws.uniform_(low, high, generator=generator)


def happens(images: Tensor, generator: torch.Generator, p: float) -> Tensor:
    """For each image, true with probability `p`: bool `(N,)`."""
    return torch.rand(len(images), generator=generator, device=images.device) < p


def offsets(images: Tensor, generator: torch.Generator, count: int) -> Tensor:
    """For each image one of 0 ... count-1: int64 `(N,)`."""
    return torch.randint(count, (len(images),), generator=generator, device=images.device)


def interleaved(images: Tensor) -> bool:
    """Whether the channels of a pixel lie side by side in memory (channels_last)."""
    return not images.is_contiguous() and images.is_contiguous(memory_format=torch.channels_last)

"""Normalisation: mean and deviation a channel, taken off pixels and put back."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Normalization:
    """`(x - mean) / deviation` a channel, of pixels in [0, 1]; both `(C, 1, 1)`."""

    mean: Tensor
    deviation: Tensor

    def apply(self, pixels: Tensor) -> Tensor:
        """Normalise uint8 or [0, 1] pixels `(N, C, H, W)` in one pass."""
        unit = 255.0 if pixels.dtype == torch.uint8 else 1.0
        factor = (1.0 / (unit * self.deviation)).to(pixels.device)
        offset = (-self.mean / self.deviation).to(pixels.device)
        return torch.addcmul(offset, pixels.float(), factor)

    def undo(self, values: Tensor) -> Tensor:
        """Back to [0, 1], clamped: what a screen can show of a reconstruction."""
        restored = values.float() * self.deviation.to(values.device)
        return (restored + self.mean.to(values.device)).clamp_(0, 1)

    @property
    def range(self) -> tuple[float, float]:
        """The least and the greatest value that a normalised pixel in [0, 1] can take."""
        low = ((0 - self.mean) / self.deviation).min().item()
        high = ((1 - self.mean) / self.deviation).max().item()
        return low, high


def normalization(kind: str, pixels: Tensor) -> Normalization:
    """The normalisation of a recipe: `none`, that of `imagenet`, or that of these pixels.

    Args:
        kind: as in `data.normalize`.
        pixels: the training images, uint8 or float32 `(N, C, H, W)`. Of grey ones, ImageNet's is
            the mean over its channels.
    """
    channels = pixels.shape[1]
    if kind == "none":
        return Normalization(torch.zeros(channels, 1, 1), torch.ones(channels, 1, 1))
    if kind == "imagenet":
        mean, deviation = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_DEVIATION)
        if channels == 1:
            mean, deviation = mean.mean(0, keepdim=True), deviation.mean(0, keepdim=True)
        return Normalization(mean.view(-1, 1, 1), deviation.view(-1, 1, 1))
    moments = [_moments(channel) for channel in pixels.unbind(1)]
    mean, deviation = torch.stack([torch.stack(pair) for pair in moments], 1).float()
    return Normalization(mean.view(-1, 1, 1), deviation.view(-1, 1, 1))


def _moments(channel: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation over all pixels in float64; those of uint8 exact from a histogram."""
    parts = channel.split(4096)
    if channel.dtype == torch.uint8:
        values = torch.arange(256, dtype=torch.float64) / 255
        counts = torch.zeros(256, dtype=torch.float64)
        for part in parts:
            counts += torch.bincount(part.flatten().to(torch.int32), minlength=256)
        shares = counts / counts.sum()
        mean = (shares * values).sum()
        variance = (shares * (values - mean) ** 2).sum()
    else:
        mean = torch.stack([part.double().sum() for part in parts]).sum() / channel.numel()
        squares = [(part.double() - mean).square().sum() for part in parts]
        variance = torch.stack(squares).sum() / channel.numel()
    return mean, variance.sqrt().clamp_min(1e-3)

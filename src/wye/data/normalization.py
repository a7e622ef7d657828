"""Normalisation: mean and deviation a channel, taken off pixels and put back."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from wye.data.storage import Pixels, in_parts

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
        return self.back(values).clamp_(0, 1)

    def back(self, values: Tensor) -> Tensor:
        """Back to where black is 0 and white 1, wherever that ends."""
        restored = values.float() * self.deviation.to(values.device)
        return restored + self.mean.to(values.device)

    @property
    def range(self) -> tuple[float, float]:
        """The least and the greatest value that a normalised pixel in [0, 1] can take."""
        low = ((0 - self.mean) / self.deviation).min().item()
        high = ((1 - self.mean) / self.deviation).max().item()
        return low, high


def normalization(kind: str, pixels: Pixels) -> Normalization:
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
    mean, deviation = _moments(pixels)
    return Normalization(mean.float().view(-1, 1, 1), deviation.float().view(-1, 1, 1))


def _moments(pixels: Pixels) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each channel in float64; those of uint8 exact from a histogram."""
    count, channels, height, width = pixels.shape
    if pixels.dtype == torch.uint8:
        values = torch.arange(256, dtype=torch.float64) / 255
        counts = torch.zeros((channels, 256), dtype=torch.float64)
        for part in in_parts(pixels):
            for channel, of_channel in enumerate(part.unbind(1)):
                flat = of_channel.flatten().to(torch.int32)
                counts[channel] += torch.bincount(flat, minlength=256).cpu()
        shares = counts / counts.sum(1, keepdim=True)
        mean = (shares * values).sum(1)
        variance = (shares * (values - mean[:, None]) ** 2).sum(1)
    else:
        sums = [part.double().sum((0, 2, 3)).cpu() for part in in_parts(pixels)]
        number = count * height * width
        mean = torch.stack(sums).sum(0) / number
        centre = mean.view(-1, 1, 1)
        squares = [(part.cpu() - centre).square().sum((0, 2, 3)) for part in in_parts(pixels)]
        variance = torch.stack(squares).sum(0) / number
    return mean, variance.sqrt().clamp_min(1e-3)

"""EfficientNet-Lite0: the EfficientNet for small CPUs, without squeeze-excitation and swish.

Source: Tan and Le 2019 (arXiv 1905.11946) and the TensorFlow release of the Lite family (2020),
whose padding and batch normalisation these are.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wye.data.normalization import IMAGENET_DEVIATION, IMAGENET_MEAN

# Expansion, kernel, stride, channels and repetitions of each stage.
STAGES = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)
STEM, HEAD = 32, 1280
RESCALE = "rescale."
"""Prefix of the constants in the stem's state dict, which no weight file has."""


def efficientnet_lite0() -> dict[str, nn.Module]:
    """The convolutional part, block by block: stem, 16 inverted residuals, head; side / 32.

    It takes images as `data.normalize=imagenet` leaves them, like every other backbone, and brings
    them to (x - 127) / 128 itself.
    """
    blocks: dict[str, nn.Module] = {"stem": _Stem()}
    channels = STEM
    for expansion, kernel, stride, width, count in STAGES:
        for index in range(count):
            step = stride if index == 0 else 1
            blocks[f"blocks.{len(blocks) - 1}"] = _InvertedResidual(
                channels, width, expansion, kernel, step
            )
            channels = width
    blocks["head"] = nn.Sequential(*_convolution(channels, HEAD, 1), nn.ReLU6())
    for block in blocks.values():
        for module in block.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
    return blocks


class _SameConv2d(nn.Conv2d):
    """Convolution padded as TensorFlow's `SAME`: an odd pixel over goes right and down."""

    def forward(self, input: Tensor) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        height, width = (
            max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in input.shape[2:]
        )
        padding = (width // 2, width - width // 2, height // 2, height - height // 2)
        return super().forward(F.pad(input, padding))


class _Rescale(nn.Module):
    """Images normalised by ImageNet's statistics to (x - 127) / 128, x from 0 to 255."""

    factor: Tensor
    offset: Tensor

    def __init__(self) -> None:
        super().__init__()
        mean, std = (
            torch.tensor(values).view(3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_DEVIATION)
        )
        # Saved with the model: a network built on the meta device has them from its weights.
        self.register_buffer("factor", std * 255 / 128)
        self.register_buffer("offset", (mean * 255 - 127) / 128)

    def forward(self, images: Tensor) -> Tensor:
        return torch.addcmul(self.offset, images, self.factor)


class _Stem(nn.Sequential):
    def __init__(self) -> None:
        super().__init__()
        self.add_module("rescale", _Rescale())
        conv, norm = _convolution(3, STEM, 3, stride=2)
        self.add_module("conv", conv)
        self.add_module("norm", norm)
        self.add_module("act", nn.ReLU6())


class _InvertedResidual(nn.Module):
    """Expansion, depthwise convolution and projection, with a shortcut where the shape stays."""

    def __init__(self, channels: int, width: int, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        inner = channels * expansion
        steps: list[nn.Module] = []
        if expansion > 1:
            steps += [*_convolution(channels, inner, 1), nn.ReLU6()]
        steps += [*_convolution(inner, inner, kernel, stride, groups=inner), nn.ReLU6()]
        steps += _convolution(inner, width, 1)
        self.steps = nn.Sequential(*steps)
        self.shortcut = stride == 1 and channels == width

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.steps(inputs)
        return outputs + inputs if self.shortcut else outputs


def _convolution(
    channels: int, width: int, kernel: int, stride: int = 1, groups: int = 1
) -> tuple[nn.Module, nn.Module]:
    layer = _SameConv2d(channels, width, kernel, stride, groups=groups, bias=False)
    return layer, nn.BatchNorm2d(width, eps=1e-3)

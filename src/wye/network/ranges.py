"""The range a decoder can reach, and whether it covers what it is asked for."""

from __future__ import annotations

import math

from torch import nn

from wye.errors import UsageError
from wye.network.build import Network
from wye.network.layers import Dropout, Flatten, Reshape, UpsampleToImage

# Modules that move values about or mix some of them within their range.
_KEEPING = (
    nn.Flatten,
    Flatten,
    Reshape,
    Dropout,
    nn.PixelShuffle,
    nn.PixelUnshuffle,
    nn.Upsample,
    nn.MaxPool2d,
    nn.AvgPool2d,
    nn.AdaptiveMaxPool2d,
    nn.AdaptiveAvgPool2d,
    nn.ReplicationPad2d,
    UpsampleToImage,
    nn.Identity,
)


def output_range(part: nn.Module) -> tuple[float, float]:
    """The interval that the outputs of a chain of layers lie in, by its last activation."""
    leaves = [module for module in part.modules() if not list(module.children())]
    for module in reversed(leaves):
        if isinstance(module, _KEEPING):
            continue
        if isinstance(module, nn.Hardtanh):
            return module.min_val, module.max_val
        return {
            nn.ReLU: (0.0, math.inf),
            nn.Sigmoid: (0.0, 1.0),
            nn.Tanh: (-1.0, 1.0),
            nn.ELU: (-1.0, math.inf),
            nn.GELU: (-0.17, math.inf),
            nn.SiLU: (-0.279, math.inf),
        }.get(type(module), (-math.inf, math.inf))
    return -math.inf, math.inf


def check_range(network: Network, target: tuple[float, float]) -> None:
    """Refuse a decoder that cannot give what its target asks for.

    Such a network trains, with a huge loss that never falls; users of other libraries have spent
    days on it.

    Raises:
        UsageError: the range that the last activation leaves is smaller than the target's.
    """
    if network.decoder is None:
        return
    low, high = output_range(network.decoder)
    if low > target[0] + 1e-6 or high < target[1] - 1e-6:
        raise UsageError(
            f"network.decoder ends in values from {low:g} to {high:g}, but the images it is asked"
            f" for lie between {target[0]:.2f} and {target[1]:.2f}; end it without an activation,"
            " set data.target=unit for an output of 0 to 1, or network.range_check=false to train"
            " it all the same"
        )

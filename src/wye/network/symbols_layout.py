"""Symbols that change the size or the layout of features and have no weights."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import BeforeValidator
from torch import nn

from wye.network.layers import First, GlobalPool, UpsampleToImage
from wye.network.symbols import SYMBOLS, Count, Factor, Pool, Shape, image_channels


def _shape(written: object) -> object:
    if isinstance(written, str):
        sizes = written.lower().split("x")
        if not all(size.isascii() and size.isdigit() and len(size) < 7 for size in sizes):
            raise ValueError("it should be sizes such as 64x4x4")
        return tuple(int(size) for size in sizes)
    return written


Sizes = Annotated[tuple[Count, ...], BeforeValidator(_shape)]


@SYMBOLS.register("P")
def pool(inputs: Shape, by: Factor = 2, kind: Pool = "max") -> nn.Module:
    """Pooling by a factor."""
    image_channels(inputs)
    return nn.MaxPool2d(by) if kind == "max" else nn.AvgPool2d(by)


@SYMBOLS.register("AP")
def adaptive_pool(inputs: Shape, size: Factor, kind: Pool = "max") -> nn.Module:
    """Pooling to size x size, whatever the size before."""
    image_channels(inputs)
    return nn.AdaptiveMaxPool2d(size) if kind == "max" else nn.AdaptiveAvgPool2d(size)


@SYMBOLS.register("S")
def smooth(inputs: Shape) -> nn.Module:
    """Mean of a pixel and its neighbours above and left, against a pixel shuffle's checks."""
    image_channels(inputs)
    return nn.Sequential(nn.ReplicationPad2d((1, 0, 1, 0)), nn.AvgPool2d(2, stride=1))


@SYMBOLS.register("G")
def global_pool(inputs: Shape, kind: Literal["avg", "max", "both"] = "avg") -> nn.Module:
    """Global pooling: one value per channel; both: the maxima, then the means."""
    image_channels(inputs)
    return GlobalPool(kind)


@SYMBOLS.register("U")
def upsample(
    inputs: Shape, by: Factor = 2, mode: Literal["nearest", "bilinear"] = "nearest"
) -> nn.Module:
    """Upsampling by a factor."""
    image_channels(inputs)
    return nn.Upsample(scale_factor=by, mode=mode)


@SYMBOLS.register("US")
def upsample_to_image(inputs: Shape) -> nn.Module:
    """Upsampling, nearest, to the size of the image that the encoder was given."""
    image_channels(inputs)
    return UpsampleToImage()


@SYMBOLS.register("PS")
def pixel_shuffle(inputs: Shape, by: Factor = 2) -> nn.Module:
    """Pixel shuffle: (C by by, H, W) to (C, H by, W by)."""
    image_channels(inputs)
    return nn.PixelShuffle(by)


@SYMBOLS.register("PU")
def pixel_unshuffle(inputs: Shape, by: Factor = 2) -> nn.Module:
    """Pixel unshuffle: (C, H, W) to (C by by, H / by, W / by)."""
    image_channels(inputs)
    return nn.PixelUnshuffle(by)


@SYMBOLS.register("K")
def keep(inputs: Shape, n: Count) -> nn.Module:
    """The first n values or channels; those behind them are left out."""
    if n > inputs[0]:
        raise ValueError(f"there are only {inputs[0]} to keep {n} of")
    return First(n)


@SYMBOLS.register("F")
def flatten(inputs: Shape) -> nn.Module:
    """Flattening to one vector."""
    return nn.Flatten()


@SYMBOLS.register("R")
def reshape(inputs: Shape, shape: Sizes) -> nn.Module:
    """Reshaping, for instance R(64x4x4)."""
    if math.prod(shape) != math.prod(inputs):
        raise ValueError(
            f"{math.prod(inputs)} values cannot be laid out as {'x'.join(map(str, shape))}"
        )
    unflatten = nn.Unflatten(1, shape)
    return nn.Sequential(nn.Flatten(), unflatten) if len(inputs) > 1 else unflatten

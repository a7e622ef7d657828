"""The alphabet of networks: one small registered function per symbol.

A function takes the shape of one input without the batch, `(C, H, W)` or `(K,)`, and the settings
written in the line, and returns the module. A prime leaves out the symbol's last step: `C` is
convolution + activation + pooling, `C'` has no pooling; `L` is linear + activation, `L'` is linear.
The legend is that of study S0 (studies `joint`).
"""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Annotated, Literal

from pydantic import Field
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from wye.network.layers import (
    ACTIVATIONS,
    Dropout,
    Join,
    Residual,
    Scale,
    SidePath,
    TransposedConvolution,
)
from wye.network.whitening import Whitening
from wye.notation import Alphabet

Shape = tuple[int, ...]
Count = Annotated[int, Field(gt=0, le=65_536)]
Kernel = Annotated[int, Field(gt=0, le=64)]
Padding = Annotated[int, Field(ge=0, le=64)]
Factor = Annotated[int, Field(gt=0, le=64)]
Norm = Literal["no", "before", "after"]
PooledNorm = Literal["no", "before", "after", "pooled"]
Activation = Literal["none", "relu", "leaky", "elu", "gelu", "silu", "tanh", "sigmoid", "clamp"]
Pool = Literal["max", "avg"]

RISING = ("relu", "leaky")
"""Activations that give the same before and after a maximum, and the same gradients."""

SYMBOLS: Alphabet[nn.Module] = Alphabet("symbol", given=1)


def image_channels(inputs: Shape) -> int:
    if len(inputs) != 3:
        raise ValueError(
            f"it needs an image (C, H, W) but gets {inputs[0]} values;"
            " R(CxHxW) makes an image of them"
        )
    return inputs[0]


def _activated(
    layer: nn.Module, channels: int, bn: str, act: str, norm: type[nn.Module]
) -> OrderedDict[str, nn.Module]:
    steps: OrderedDict[str, nn.Module] = OrderedDict(layer=layer)
    if bn == "before":
        steps["norm"] = norm(channels)
    if act == "relu":
        # In place: no layer before it needs its own output for the gradient. But that of a
        # transposed convolution is a view, and changing one costs autograd more than it saves.
        steps["act"] = nn.ReLU(inplace=not isinstance(layer, TransposedConvolution))
    elif act != "none":
        steps["act"] = ACTIVATIONS[act]()
    if bn == "after":
        steps["norm"] = norm(channels)
    return steps


def _convolution(
    inputs: Shape,
    n: int,
    k: int,
    s: int,
    p: int | None,
    bn: str,
    act: str,
    bias: bool,
    wn: bool = False,
) -> OrderedDict[str, nn.Module]:
    channels = image_channels(inputs)
    padding = k // 2 if p is None else p
    layer: nn.Module = nn.Conv2d(channels, n, k, stride=s, padding=padding, bias=bias)
    if wn:
        layer = weight_norm(layer)
    return _activated(layer, n, bn, act, nn.BatchNorm2d)


@SYMBOLS.register("C")
def convolution_pooled(
    inputs: Shape,
    n: Count,
    k: Kernel = 3,
    s: Factor = 1,
    p: Padding | None = None,
    bn: PooledNorm = "no",
    act: Activation = "relu",
    pool: Pool = "max",
    by: Factor = 2,
    bias: bool = True,
) -> nn.Module:
    """Convolution to n channels, activation and pooling.

    With bn=pooled the order is convolution, pooling, batch normalisation, activation (airbench):
    the same kinds of step on a quarter of the values.

    Kernel k, stride s and padding p (k // 2 if not given) are of the convolution, `by` of the
    pooling.
    """
    pooling = nn.MaxPool2d(by) if pool == "max" else nn.AvgPool2d(by)
    if bn != "pooled":
        steps = _convolution(inputs, n, k, s, p, bn, act, bias)
        steps["pool"] = pooling
        if pool == "max" and act in RISING and bn != "after":
            # On the fewer values that the pooling leaves.
            steps.move_to_end("act")
        return nn.Sequential(steps)
    steps = _convolution(inputs, n, k, s, p, "no", "none", bias)
    after = _activated(pooling, n, "before", act, nn.BatchNorm2d)
    return nn.Sequential(OrderedDict(**steps, pool=after.pop("layer"), **after))


@SYMBOLS.register("C'")
def convolution(
    inputs: Shape,
    n: Count,
    k: Kernel = 3,
    s: Factor = 1,
    p: Padding | None = None,
    bn: Norm = "no",
    act: Activation = "relu",
    bias: bool = True,
    wn: bool = False,
) -> nn.Module:
    """Convolution to n channels and activation; wn is weight normalisation."""
    return nn.Sequential(_convolution(inputs, n, k, s, p, bn, act, bias, wn))


def _transposed(
    inputs: Shape, n: int, k: int, s: int, p: int, op: int, bn: str, act: str, bias: bool
) -> nn.Module:
    channels = image_channels(inputs)
    layer = TransposedConvolution(channels, n, k, stride=s, padding=p, output_padding=op, bias=bias)
    return nn.Sequential(_activated(layer, n, bn, act, nn.BatchNorm2d))


@SYMBOLS.register("T")
def transposed_activated(
    inputs: Shape,
    n: Count,
    k: Kernel = 2,
    s: Factor = 2,
    p: Padding = 0,
    op: Padding = 0,
    bn: Norm = "no",
    act: Activation = "relu",
    bias: bool = True,
) -> nn.Module:
    """Transposed convolution to n channels (op: output padding) and activation."""
    return _transposed(inputs, n, k, s, p, op, bn, act, bias)


@SYMBOLS.register("T'")
def transposed(
    inputs: Shape,
    n: Count,
    k: Kernel = 2,
    s: Factor = 2,
    p: Padding = 0,
    op: Padding = 0,
    bias: bool = True,
) -> nn.Module:
    """Transposed convolution to n channels, no activation."""
    return _transposed(inputs, n, k, s, p, op, "no", "none", bias)


def _linear(inputs: Shape, n: int, bn: str, act: str, bias: bool) -> nn.Module:
    layer = nn.Linear(math.prod(inputs), n, bias=bias)
    steps = _activated(layer, n, bn, act, nn.BatchNorm1d)
    if len(inputs) > 1:
        steps = OrderedDict(flatten=nn.Flatten(), **steps)
    return nn.Sequential(steps)


@SYMBOLS.register("L")
def linear_activated(
    inputs: Shape, n: Count, bn: Norm = "no", act: Activation = "relu", bias: bool = True
) -> nn.Module:
    """Linear layer to n values and activation; an image is flattened first."""
    return _linear(inputs, n, bn, act, bias)


@SYMBOLS.register("L'")
def linear(inputs: Shape, n: Count, bias: bool = True) -> nn.Module:
    """Linear layer to n values; an image is flattened first."""
    return _linear(inputs, n, "no", "none", bias)


@SYMBOLS.register("W")
def whitening(
    inputs: Shape,
    n: Count,
    k: Kernel = 4,
    s: Factor = 2,
    p: Padding = 1,
    act: Activation = "relu",
) -> nn.Module:
    """Convolution with n fixed filters that whiten the training images' patches, and activation."""
    layer = Whitening(image_channels(inputs), n, k, s, p)
    return nn.Sequential(_activated(layer, n, "no", act, nn.BatchNorm2d))


@SYMBOLS.register("Y")
def side_path(inputs: Shape, n: Count, k: Kernel = 3, s: Factor = 1) -> nn.Module:
    """A convolution to n channels and a ReLU aside, kept for the next J; the features pass on."""
    return SidePath(nn.Sequential(_convolution(inputs, n, k, s, None, "no", "relu", True)))


@SYMBOLS.register("J")
def join(inputs: Shape) -> nn.Module:
    """The features, and behind them what the last Y or PC kept, pooled to their size."""
    return Join()


@SYMBOLS.register("RB")
def residual_block(inputs: Shape, n: Count, k: Kernel = 3, act: Activation = "relu") -> nn.Module:
    """The features, and what C'(n) and a convolution back make of them, times a learned number."""
    channels = image_channels(inputs)
    there = _convolution(inputs, n, k, 1, None, "no", act, True)
    back = nn.Conv2d(n, channels, k, padding=k // 2)
    return Residual(nn.Sequential(OrderedDict(**there, back=back)))


@SYMBOLS.register("D")
def dropout(inputs: Shape, p: Annotated[float, Field(ge=0, lt=1)] = 0.5) -> nn.Module:
    """Dropout with probability p."""
    return Dropout(p)


@SYMBOLS.register("BN")
def batch_norm(inputs: Shape, affine: bool = True) -> nn.Module:
    """Batch normalisation."""
    norm = nn.BatchNorm2d if len(inputs) == 3 else nn.BatchNorm1d
    return norm(inputs[0], affine=affine)


@SYMBOLS.register("A")
def activation(inputs: Shape, act: Activation) -> nn.Module:
    """An activation by itself."""
    return ACTIVATIONS[act]()


@SYMBOLS.register("X")
def scale(inputs: Shape, by: float) -> nn.Module:
    """Multiplication by a constant, for instance of the logits."""
    return Scale(by)

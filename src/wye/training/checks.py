"""What a recipe asks of the network and the data, checked before the first step."""

from __future__ import annotations

import math

from torch import nn

from wye.data.prepare import Prepared
from wye.errors import UsageError
from wye.network.build import Network
from wye.network.layers import Dropout, UpsampleToImage
from wye.objective import TERMS
from wye.recipe.schedules import OneCycle
from wye.recipe.schema import Recipe, ResolvedPhase

WITH_MOMENTUM = ("sgd", "rmsprop", "adam", "adamw")
"""Optimisers whose momentum a schedule may cycle; of adam and adamw it is the first beta."""


LARGE_WEIGHT = 1e4
"""A weight of a term that is more likely to be the reason of a divergence than the rate."""


def check_phases(recipe: Recipe, network: Network, data: Prepared, processes: int = 1) -> None:
    """Refuse phases that this network, these images or so many processes don't allow.

    Raises:
        UsageError: a batch of fewer images than there are processes, a jigsaw whose tiles don't
            fit the images, cross-entropy of a decoder that leaves [0, 1], a cycle of momentum for
            an optimiser without, or images to be made that are not of the training images' size.
    """
    for phase in recipe.resolved_phases():
        try:
            _check(phase, network, data)
            if phase.train.batch_size < processes:
                raise UsageError(
                    f"train.batch_size={phase.train.batch_size} is of all processes together, and"
                    f" there are {processes}; it should be at least that"
                )
        except UsageError as error:
            if not recipe.phases:
                raise
            raise UsageError(f"phase {phase.name!r}: {error}") from None


def _check(phase: ResolvedPhase, network: Network, data: Prepared) -> None:
    loss, train = phase.loss, phase.train
    for name, weight in loss.weights().items():
        if weight:
            # Validation and test images keep their size, whatever the phase's.
            TERMS[name].check(loss, *data.shape[1:])
            if phase.image_size is not None:
                TERMS[name].check(loss, phase.image_size, phase.image_size)
    if loss.error == "bce" and network.decoder is not None:
        low, high = output_range(network.decoder)
        if low < 0 or high > 1:
            raise UsageError(
                f"loss.error=bce needs a decoder whose outputs lie in [0, 1]; this one's lie"
                f" between {low:g} and {high:g}; end network.decoder in A(sigmoid)"
            )
    cycled = isinstance(train.schedule, OneCycle) and train.schedule.momentum is not None
    if cycled and train.optimizer not in WITH_MOMENTUM:
        raise UsageError(
            f"train.schedule.momentum: {train.optimizer} has no momentum that could be cycled;"
            f" {', '.join(WITH_MOMENTUM)} have one"
        )
    if phase.synthesize != "none":
        if network.decoder is None:
            raise UsageError(
                f"synthesize={phase.synthesize} needs a decoder to make images, and network.decoder"
                " is none"
            )
        stored = data.train.pixels.shape[1:]
        if stored != data.shape:
            kept, made = ("x".join(map(str, shape)) for shape in (stored, data.shape))
            raise UsageError(
                f"synthesize={phase.synthesize} makes images of {made}, and those they are to join"
                f" are of {kept}; resize the images by data.prepare instead of data.augment"
            )


# Modules that move values about or mix some of them within their range.
_KEEPING = (
    nn.Flatten,
    nn.Unflatten,
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


def diverged(epoch: int, figures: dict[str, float], phase: ResolvedPhase) -> str:
    """What went wrong in an epoch, and what may help."""
    lost = [f"{name} is {value:g}" for name, value in figures.items() if not math.isfinite(value)]
    name, weight = max(phase.loss.weights().items(), key=lambda pair: pair[1])
    help_ = f"a train.lr lower than {phase.train.lr:g} may help"
    if weight > LARGE_WEIGHT:
        help_ = f"the weight of {name}, {weight:g}, is very large"
    before = f"epoch {epoch - 1} was the last good one" if epoch > 1 else "no epoch was good"
    what = ", ".join(lost) or "a weight is not finite"
    return f"training diverged in epoch {epoch}: {what}; {before}; {help_}"

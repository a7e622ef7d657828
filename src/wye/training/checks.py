"""What a recipe's phases ask of the network and the data, checked before the first step."""

from __future__ import annotations

from torch.nn.modules.batchnorm import _BatchNorm

from wye.data.prepare import Prepared
from wye.errors import UsageError
from wye.network.build import Network
from wye.network.ranges import output_range
from wye.objective import TERMS
from wye.recipe.schedules import OneCycle
from wye.recipe.schema import Recipe, ResolvedPhase

WITH_MOMENTUM = ("sgd", "rmsprop", "adam", "adamw")
"""Optimisers whose momentum a schedule may cycle; of adam and adamw it is the first beta."""


def check_phases(recipe: Recipe, network: Network, data: Prepared, processes: int = 1) -> None:
    """Refuse phases that this network, these images or so many processes don't allow.

    Raises:
        UsageError: a batch of one under batch normalisation, a batch of fewer images than there are
            processes, a jigsaw whose tiles don't fit the images, cross-entropy of a decoder that
            leaves [0, 1], a cycle of momentum for an optimiser without, or images to be made that
            are not of the training images' size.
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
    norms = (module for module in network.modules() if isinstance(module, _BatchNorm))
    if train.batch_size == 1 and not phase.freeze and any(norms):
        raise UsageError(
            "train.batch_size=1: batch normalisation has no variance of one image; it should be at"
            " least 2, or the network without bn"
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

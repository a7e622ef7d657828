"""The learning-rate range test (Smith 2017): train while the rate rises until the loss explodes."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from itertools import chain, count

from wye.data.prepare import Prepared
from wye.errors import TrainingError
from wye.network.build import Network
from wye.recipe.schema import Recipe
from wye.streams import Streams
from wye.training.features import FeatureNetwork
from wye.training.loop import Trainer

LOWEST, HIGHEST, STEPS = 1e-7, 10.0, 100
SMOOTHING = 0.9
"""Fraction of the running mean of losses that a new one leaves. fastai v1 has 0.98, which lags so
far behind in a hundred steps that the suggestions come out several times too high."""
EXPLODED = 4.0
"""The test ends where the smoothed loss is so many times the best one."""
SKIPPED = 10
"""Losses at the start that no suggestion is taken from: the running mean is of too few."""
REACH = 5
"""The slope at a step is measured between the steps so far before and after it: from one step to
the next a batch that happens to be easy looks like a descent."""


@dataclass(frozen=True)
class RangeTest:
    """What a range test found.

    Attributes:
        rates: of each step, rising evenly in the logarithm.
        losses: smoothed, of each step.
    """

    rates: list[float]
    losses: list[float]

    @property
    def suggestion(self) -> float:
        """The rate at which the smoothed loss falls most steeply on its way to the minimum.

        What falls after the minimum is the recovery from a rate that was too high.
        """
        losses = self.losses
        slopes = {
            at: losses[at + REACH] - losses[at - REACH]
            for at in range(SKIPPED, self._least - REACH + 1)
        }
        return self.rates[min(slopes, key=slopes.__getitem__)]

    @property
    def minimum(self) -> float:
        """The rate at which the smoothed loss is least; a tenth of it is a cautious choice."""
        return self.rates[self._least]

    @property
    def falls(self) -> bool:
        """Whether the loss falls for long enough to suggest a rate."""
        return self._least >= SKIPPED + REACH

    @property
    def _least(self) -> int:
        steps = range(min(SKIPPED, len(self.losses) - 1), len(self.losses))
        return min(steps, key=self.losses.__getitem__)


def find_lr(
    recipe: Recipe,
    network: Network,
    data: Prepared,
    streams: Streams,
    precision: str = "fp32",
    features: FeatureNetwork | None = None,
) -> RangeTest:
    """Train a copy of the network by the recipe's first phase, the rate rising at every step.

    Network, data and optimiser are left as they are. The rate is that of `train.lr`; others keep
    their ratio to it.

    Args:
        recipe: its schedule is not used.
        network: untrained, or from where training is to go on; on the device of the data.
        precision: `fp32` or `bf16`.
        features: the frozen network of the feature term, where phi is above 0.

    Raises:
        UsageError: a phase asks for what this network or these images don't allow.
        TrainingError: the loss falls at no rate, or is no number from the start.
    """
    trainer = Trainer(recipe, copy.deepcopy(network), data, streams, precision, features=features)
    rates: list[float] = []
    losses: list[float] = []
    mean = 0.0
    batches = chain.from_iterable(map(trainer.begin_epoch, count(1)))
    for step, batch in zip(range(STEPS), batches, strict=False):
        rate = LOWEST * (HIGHEST / LOWEST) ** (step / (STEPS - 1))
        loss = trainer.step(batch, rate)[0]["loss"].item()
        mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
        smooth = mean / (1 - SMOOTHING ** (step + 1))
        if not math.isfinite(smooth) or (losses and smooth > EXPLODED * min(losses)):
            break
        rates.append(rate)
        losses.append(smooth)
    if not rates:
        raise TrainingError("no rate to suggest: the loss is no number from the first step on")
    found = RangeTest(rates, losses)
    if not found.falls:
        raise TrainingError(
            f"no rate to suggest: the loss falls at none from {LOWEST:g} to {rates[-1]:.1e}"
        )
    return found

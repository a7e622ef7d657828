"""Schedules: rate and momentum as functions of the step, or of what validation says."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from wye.recipe.schedules import Cosine, Linear, OneCycle, Plateau, ScheduleSettings, Step


def factor_of(settings: ScheduleSettings, epochs: float, done: float) -> float:
    """What the base rate is multiplied by; a plateau decides by validation instead.

    Args:
        epochs: of the phase that are over, with the fraction of the one under way.
        done: fraction of the phase that is over.
    """
    match settings:
        case Step():
            # Without the allowance 2.5 epochs of 100 steps would count as 2.4999... and drop late.
            return float(settings.factor ** math.floor(epochs / settings.every + 1e-9))
        case OneCycle(warmup=warmup) if done < warmup:
            return _cosine(1 / settings.start, 1.0, done / warmup)
        case Linear(warmup=warmup) | Cosine(warmup=warmup) if done < warmup:
            return done / warmup
        case Linear(warmup=warmup):
            return 1.0 + (1 / settings.end - 1.0) * ((done - warmup) / (1 - warmup))
        case OneCycle(warmup=warmup) | Cosine(warmup=warmup):
            return _cosine(1.0, 1 / settings.end, (done - warmup) / (1 - warmup))
        case _:
            return 1.0


def _cosine(start: float, end: float, done: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * done)) / 2


@dataclass
class Schedule:
    """The learning rate of one phase.

    Args:
        lr: the base rate.
        epochs: length of the phase.
        steps: optimiser steps per epoch.

    Attributes:
        factor, best, waited, resting: where a plateau stands.
    """

    settings: ScheduleSettings
    lr: float
    epochs: int
    steps: int
    factor: float = 1.0
    best: float = math.inf
    waited: int = 0
    resting: int = 0

    def rate(self, step: int) -> float:
        """The rate of step `step` of the phase, counted from 0."""
        settings = self.settings
        if isinstance(settings, Plateau):
            return max(self.lr * self.factor, settings.floor)
        # A ramp from zero starts half a step in: its first step would have rate 0 otherwise.
        ramp = isinstance(settings, Linear) or (isinstance(settings, Cosine) and settings.warmup)
        done = step + (0.5 if ramp else 0.0)
        return self.lr * factor_of(settings, done / self.steps, done / (self.steps * self.epochs))

    def momentum(self, step: int) -> float | None:
        """The momentum of step `step` of the phase, None where it is left as it is.

        It falls while the rate rises and rises while the rate falls, along the same cosines (Smith
        2018, in fastai's form).
        """
        if not isinstance(self.settings, OneCycle) or self.settings.momentum is None:
            return None
        high, low = self.settings.momentum
        done, warmup = step / (self.steps * self.epochs), self.settings.warmup
        if done < warmup:
            return _cosine(high, low, done / warmup)
        return _cosine(low, high, (done - warmup) / (1 - warmup))

    def epoch_done(self, loss: float) -> None:
        """Take note of an epoch's validation loss, by which a plateau acts."""
        settings = self.settings
        if not isinstance(settings, Plateau):
            return
        if self.resting > 0:
            self.resting -= 1
            self.waited = 0
        if loss < self.best - settings.min_delta:
            self.best, self.waited = loss, 0
        elif self.resting == 0:
            self.waited += 1
            if self.waited >= settings.patience:
                self.factor *= settings.factor
                self.waited, self.resting = 0, settings.cooldown

    def state(self) -> dict[str, Any]:
        """What a resumed run needs to go on."""
        return {name: getattr(self, name) for name in ("factor", "best", "waited", "resting")}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        vars(self).update(state)

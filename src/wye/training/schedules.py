"""Schedules: rate and momentum as functions of the step, or of what validation says."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from wye.recipe.schedules import ScheduleSettings
from wye.registry import Registry

Rate = Callable[[ScheduleSettings, float, float], float]
RATES: Registry[Rate] = Registry("schedule")
"""Factor of the base rate from the settings, the epochs done (a fraction) and the share done."""


@RATES.register("constant")
def _constant(settings: ScheduleSettings, epochs: float, share: float) -> float:
    return 1.0


@RATES.register("step")
def _step(settings: ScheduleSettings, epochs: float, share: float) -> float:
    assert settings.every is not None and settings.factor is not None
    # Without the allowance 2.5 epochs of 100 steps would count as 2.4999... and drop a step late.
    return settings.factor ** math.floor(epochs / settings.every + 1e-9)


@RATES.register("one-cycle")
def _one_cycle(settings: ScheduleSettings, epochs: float, share: float) -> float:
    assert settings.warmup is not None and settings.start and settings.end
    if share < settings.warmup:
        return _cosine(1 / settings.start, 1.0, share / settings.warmup)
    return _cosine(1.0, 1 / settings.end, (share - settings.warmup) / (1 - settings.warmup))


@RATES.register("linear")
def _linear(settings: ScheduleSettings, epochs: float, share: float) -> float:
    assert settings.warmup is not None and settings.end
    if share < settings.warmup:
        return share / settings.warmup
    done = (share - settings.warmup) / (1 - settings.warmup)
    return 1.0 + (1 / settings.end - 1.0) * done


@RATES.register("cosine")
def _half_cosine(settings: ScheduleSettings, epochs: float, share: float) -> float:
    assert settings.warmup is not None and settings.end
    if share < settings.warmup:
        return share / settings.warmup
    return _cosine(1.0, 1 / settings.end, (share - settings.warmup) / (1 - settings.warmup))


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


class Schedule:
    """The learning rate of one phase.

    Args:
        settings: kind and lengths.
        lr: the base rate.
        epochs: length of the phase.
        steps: optimiser steps an epoch.
    """

    def __init__(self, settings: ScheduleSettings, lr: float, epochs: int, steps: int) -> None:
        self.settings = settings
        self.lr = lr
        self.epochs = epochs
        self.steps = steps
        self.factor = 1.0
        self._best = math.inf
        self._waited = 0
        self._resting = 0

    def rate(self, step: int) -> float:
        """The rate of step `step` of the phase, counted from 0."""
        if self.settings.kind == "plateau":
            return max(self.lr * self.factor, self.settings.floor or 0.0)
        # A ramp from zero starts half a step in: its first step would have rate 0 otherwise.
        kind = self.settings.kind
        ramp = kind == "linear" or (kind == "cosine" and bool(self.settings.warmup))
        done = step + (0.5 if ramp else 0.0)
        rate = RATES.find(kind)
        return self.lr * rate(self.settings, done / self.steps, done / (self.steps * self.epochs))

    def momentum(self, step: int) -> float | None:
        """The momentum of step `step` of the phase, None where it is left as it is.

        It falls while the rate rises and rises while the rate falls, along the same cosines (Smith
        2018, in fastai's form).
        """
        if self.settings.momentum is None:
            return None
        high, low = self.settings.momentum
        share = step / (self.steps * self.epochs)
        warmup = self.settings.warmup or 0.0
        if share < warmup:
            return _cosine(high, low, share / warmup)
        return _cosine(low, high, (share - warmup) / (1 - warmup))

    def epoch_done(self, figure: float) -> None:
        """Take note of an epoch's validation figure (lower is better); plateau acts on it."""
        settings = self.settings
        if settings.kind != "plateau" or settings.patience is None or settings.factor is None:
            return
        if self._resting > 0:
            self._resting -= 1
            self._waited = 0
        if figure < self._best - (settings.min_delta or 0.0):
            self._best, self._waited = figure, 0
        elif self._resting == 0:
            self._waited += 1
            if self._waited >= settings.patience:
                self.factor *= settings.factor
                self._waited, self._resting = 0, settings.cooldown or 0

    def state(self) -> dict[str, Any]:
        """What a resumed run needs to go on."""
        return {
            "factor": self.factor,
            "best": self._best,
            "waited": self._waited,
            "resting": self._resting,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        self.factor = state["factor"]
        self._best = state["best"]
        self._waited = state["waited"]
        self._resting = state["resting"]

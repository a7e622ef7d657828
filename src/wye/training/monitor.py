"""Watching validation: which epoch was best, and when to stop."""

from __future__ import annotations

import math
from typing import Any

from wye.recipe.schema import ResolvedPhase


class Monitor:
    """Keeps the best epoch of a run by one validation figure and counts epochs without a better.

    Args:
        phase: its `train.monitor` says which figure; auto is accuracy where a classifier is
            trained, else the reconstruction term.
    """

    def __init__(self, phase: ResolvedPhase) -> None:
        self.patience = phase.train.early_stopping.patience if phase.train.early_stopping else None
        self.name = phase.train.monitor
        if self.name == "auto":
            self.name = "accuracy" if phase.loss.alpha > 0 else "reconstruction"
        self.best = math.inf
        self.waited = 0

    def cost(self, figures: dict[str, float]) -> float:
        """The watched figure, signed so that lower is better."""
        if self.name not in figures:
            return math.inf
        return -figures[self.name] if self.name == "accuracy" else figures[self.name]

    def epoch_done(self, figures: dict[str, float]) -> bool:
        """Take note of an epoch; true if it is the best so far."""
        cost = self.cost(figures)
        if cost < self.best:
            self.best, self.waited = cost, 0
            return True
        self.waited += 1
        return False

    @property
    def exhausted(self) -> bool:
        """Whether early stopping ends the phase."""
        return self.patience is not None and self.waited >= self.patience

    def state(self) -> dict[str, Any]:
        """What a resumed run needs to go on."""
        return {"best": self.best, "waited": self.waited}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        self.best, self.waited = state["best"], state["waited"]

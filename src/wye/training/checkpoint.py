"""The checkpoint of a run: its last and its best epoch, across phases, and when a phase stops."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from torch import Tensor

from wye.metrics import METRICS
from wye.recipe.parts import BEST
from wye.recipe.schema import ResolvedPhase


class Store(Protocol):
    """Where checkpoints are kept: a run folder."""

    def write_weights(self, name: str, state: Mapping[str, Tensor]) -> None:
        """Write a state dict as safetensors."""

    def write_checkpoint(self, state: dict[str, Any]) -> None:
        """Write what a resumed run needs."""


class Checkpoint:
    """Decides which epoch of a run is the best one, keeps it and the last, and stops phases.

    One validation metric decides over all phases: that of the last phase, for which the others
    prepare. So a first phase that trains the autoencoder alone is judged by accuracy too where a
    classifier follows; a later phase has the best epoch only if it is better than all before it. A
    metric that means another thing in an earlier phase, the `loss` of other weights, leaves that
    phase out. Early stopping watches the phase's own metric, from the phase's beginning, or from
    the beginning of the phase that it carries on.

    Args:
        phases: of the run.
    """

    def __init__(self, phases: Sequence[ResolvedPhase]) -> None:
        self.phases = phases
        self.best = math.inf
        """Cost of the best epoch so far."""
        self.lowest = math.inf
        """Cost of the best epoch of the phase under way, by its own metric."""
        self.waited = 0
        """Epochs of the phase since then."""

    def begin_phase(self, index: int) -> None:
        """Count epochs without improvement anew, unless the phase carries on the one before."""
        if not self.phases[index].carry_on:
            self.lowest, self.waited = math.inf, 0

    def epoch_done(self, index: int, validation: Mapping[str, float]) -> bool:
        """Take note of an epoch of phase `index`; whether it is the best of the run so far."""
        phase, last = self.phases[index], self.phases[-1]
        cost = _cost(monitored(phase), validation)
        if cost < self.lowest:
            self.lowest, self.waited = cost, 0
        else:
            self.waited += 1
        name = monitored(last)
        if name == "loss" and phase.loss != last.loss:
            return False
        cost = _cost(name, validation)
        if cost < self.best:
            self.best = cost
            return True
        return False

    def exhausted(self, index: int) -> bool:
        """Whether early stopping ends phase `index`."""
        stopping = self.phases[index].train.early_stopping
        return stopping is not None and self.waited >= stopping.patience

    def keep(
        self, store: Store, state: dict[str, Any], weights: Mapping[str, Tensor], best: bool
    ) -> None:
        """Keep an epoch that is done.

        The best epoch's weights are written first: a run that is killed between the two goes on
        from the epoch before, and writes them again.

        Args:
            state: of the trainer, with this checkpoint's.
            weights: of the network.
            best: whether the epoch is the best so far.
        """
        if best:
            store.write_weights(f"{BEST}.safetensors", weights)
        store.write_checkpoint(state)

    def state(self) -> dict[str, Any]:
        """What a resumed run needs to go on."""
        return {"best": self.best, "lowest": self.lowest, "waited": self.waited}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        vars(self).update(state)


def monitored(phase: ResolvedPhase) -> str:
    """The validation metric of a phase: `train.monitor`, or what it trains for."""
    if phase.train.monitor != "auto":
        return phase.train.monitor
    return "accuracy" if phase.loss.alpha > 0 else "reconstruction"


def _cost(name: str, validation: Mapping[str, float]) -> float:
    """A metric, signed so that lower is better; infinite if it is not measured or not a number."""
    value = validation.get(name, math.nan)
    if name in METRICS:
        return METRICS[name].cost(value)
    return value if math.isfinite(value) else math.inf  # a term of the objective

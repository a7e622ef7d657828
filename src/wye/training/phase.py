"""A phase under way: what it trains with and where that stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from wye.data.batches import steps_per_epoch
from wye.data.prepare import Prepared
from wye.network.build import Network
from wye.recipe.schema import ResolvedPhase
from wye.training.class_weights import class_weights
from wye.training.features import FeatureNetwork
from wye.training.freezing import freeze
from wye.training.objective import Objective
from wye.training.optimizers import Optimizer, build_optimizer
from wye.training.restoring import check_optimizer
from wye.training.schedules import Schedule


class PhaseState:
    """Objective, optimiser and schedule of one phase; freezes what it says.

    Attributes:
        settings: of the phase.
        frozen: the layers that are held.
        steps: optimiser steps an epoch.

    Args:
        phases: all of the recipe.
        index: which of them begins.
        network: what learns.
        data: the images that are trained on from now on.
        features: the frozen network of the run's feature term.
        precision: `fp32` or `bf16`.
        before: the phase before, whose optimiser and schedule one with `carry_on` goes on with;
            None makes new ones.
    """

    def __init__(
        self,
        phases: Sequence[ResolvedPhase],
        index: int,
        network: Network,
        data: Prepared,
        features: FeatureNetwork | None,
        precision: str,
        before: PhaseState | None = None,
    ) -> None:
        phase = self.settings = phases[index]
        self.frozen: list[nn.Module] = freeze(network, phase.freeze, phase.train.freeze_norms)
        weights = None
        if network.classifier is not None:
            weights = class_weights(
                phase.loss.class_weights,
                data.train.labels,
                data.classes,
                network.classifier.outputs[0],
            )
        self.objective = Objective(phase.loss, weights, features, precision)
        passing = steps_per_epoch(len(data.train), phase.train.batch_size, phase.train.drop_last)
        self.steps = phase.train.steps or passing
        done, left = _stretch(phases, index)
        self._steps_before = done * self.steps
        self.optimizer: Optimizer
        self.schedule: Schedule
        if phase.carry_on and before is not None:
            self.optimizer, self.schedule = before.optimizer, before.schedule
        else:
            self.optimizer = build_optimizer(network, phase.train)
            self.schedule = Schedule(phase.train.schedule, phase.train.lr, done + left, self.steps)

    def first_step(self, epochs: int) -> int:
        """The schedule's count of the first step after `epochs` epochs of the phase."""
        return self._steps_before + epochs * self.steps

    def state(self) -> dict[str, Any]:
        """What a resumed run needs to go on."""
        return {
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state`.

        Raises:
            UnfitError: it is not a state of this phase.
        """
        sizes = [p.shape for group in self.optimizer.param_groups for p in group["params"]]
        name = self.settings.train.optimizer
        check_optimizer(self.optimizer.state_dict(), state["optimizer"], name, sizes)
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.restore(state["schedule"])


def _stretch(phases: Sequence[ResolvedPhase], index: int) -> tuple[int, int]:
    """Epochs before and from phase `index` on, of the phases that share a schedule."""
    first = last = index
    while phases[first].carry_on:
        first -= 1
    while last + 1 < len(phases) and phases[last + 1].carry_on:
        last += 1
    lengths = [phase.train.epochs for phase in phases]
    return sum(lengths[first:index]), sum(lengths[index : last + 1])

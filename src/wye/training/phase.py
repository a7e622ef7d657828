"""A phase under way: what it trains with and where that stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wye.data.batches import steps_per_epoch
from wye.data.prepare import Prepared
from wye.network.build import Network
from wye.network.freezing import freeze
from wye.recipe.schema import ResolvedPhase
from wye.training.features import FeatureNetwork
from wye.training.objective import Objective, class_weights
from wye.training.optimizers import Optimizer, build_optimizer
from wye.training.restoring import check_optimizer
from wye.training.schedules import Schedule


class PhaseState:
    """Objective, optimiser and schedule of one phase; freezes what it says.

    Attributes:
        frozen: the layers that are held.
        steps: optimiser steps an epoch.

    Args:
        phases: all of the recipe.
        index: which of them begins.
        data: the images that are trained on from now on.
        features: the frozen network of the run's feature term.
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
        phase, train = phases[index], phases[index].train
        self._kind = train.optimizer
        self.frozen = freeze(network, phase.freeze, train.freeze_norms)
        weights = None
        if network.classifier is not None:
            (outputs,) = network.classifier.outputs
            setting = phase.loss.class_weights
            weights = class_weights(setting, data.train.labels, data.classes, outputs)
        self.objective = Objective(phase.loss, weights, features, precision)
        one_pass = steps_per_epoch(len(data.train), train.batch_size, train.drop_last)
        self.steps = train.steps or one_pass
        done, left = _stretch(phases, index)
        self._steps_before = done * self.steps
        if phase.carry_on and before is not None:
            self.optimizer: Optimizer = before.optimizer
            self.schedule: Schedule = before.schedule
        else:
            self.optimizer = build_optimizer(network, train)
            self.schedule = Schedule(train.schedule, train.lr, done + left, self.steps)

    def first_step(self, epochs: int) -> int:
        """The schedule's count of the first step after `epochs` epochs of the phase."""
        return self._steps_before + epochs * self.steps

    def state(self) -> dict[str, Any]:
        """What a resumed run needs to go on."""
        return {"optimizer": self.optimizer.state_dict(), "schedule": self.schedule.state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state`.

        Raises:
            UnfitError: it is not a state of this phase.
        """
        sizes = [p.shape for group in self.optimizer.param_groups for p in group["params"]]
        check_optimizer(self.optimizer.state_dict(), state["optimizer"], self._kind, sizes)
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

"""The one training loop: phases, epochs, steps."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor, nn

from wye.data.batches import steps_per_epoch, training_batches
from wye.data.prepare import Prepared
from wye.errors import TrainingError
from wye.network.build import Network
from wye.network.layers import bind_dropout
from wye.recipe.schema import Recipe, ResolvedPhase
from wye.streams import Streams
from wye.training.freezing import freeze, hold_statistics
from wye.training.monitor import Monitor
from wye.training.objective import Objective
from wye.training.optimizers import build_optimizer
from wye.training.precision import multiplying_in
from wye.training.schedules import Schedule
from wye.training.tally import Tally
from wye.training.validate import validate


@dataclass(frozen=True)
class EpochRecord:
    """One epoch: a line of `metrics.jsonl`. `epoch` counts from 1 over all phases."""

    epoch: int
    phase: str
    lr: float
    seconds: float
    images_per_second: float
    train: dict[str, float]
    validation: dict[str, float] | None = None
    test: dict[str, float] | None = None
    best: bool = field(default=False, compare=False)

    def line(self) -> dict[str, Any]:
        """The record as JSON; parts that were not measured are absent."""
        entry = {key: value for key, value in vars(self).items() if value is not None}
        del entry["best"]
        return entry


class Observer(Protocol):
    """Told of every step, to show progress."""

    def step(self, epoch: int, step: int, steps: int, tally: Tally) -> None:
        """Step `step` of `steps` of an epoch is done; `tally` holds the epoch so far."""


class Trainer:
    """Trains a network by a recipe's phases.

    Args:
        recipe: what to do.
        network: what learns, already on the device of the data.
        data: the images.
        streams: source of all randomness.
        precision: `fp32` or `bf16`.
        max_steps: stop after this many optimiser steps, wherever that is.
        observer: told of every step.
    """

    def __init__(
        self,
        recipe: Recipe,
        network: Network,
        data: Prepared,
        streams: Streams,
        precision: str = "fp32",
        max_steps: int | None = None,
        observer: Observer | None = None,
    ) -> None:
        self.recipe = recipe
        self.network = network
        self.data = data
        self.streams = streams
        self.precision = precision
        self.max_steps = max_steps
        self.observer = observer
        self.device = data.train.pixels.device
        self.phases = recipe.resolved_phases()
        self.phase_index = 0
        self.epochs_in_phase = 0
        self.epochs_done = 0
        self.steps_done = 0
        self.partial = False
        self._begin_phase(afresh=True)

    @property
    def phase(self) -> ResolvedPhase:
        """The phase under way."""
        return self.phases[self.phase_index]

    @property
    def finished(self) -> bool:
        """Whether every phase is done or the steps are used up."""
        return self.phase_index >= len(self.phases) or self._steps_used_up

    @property
    def truncated(self) -> bool:
        """Whether `max_steps` ended the training before its end; `partial`: within an epoch."""
        return self.partial or (self._steps_used_up and self.phase_index < len(self.phases))

    @property
    def _steps_used_up(self) -> bool:
        return self.max_steps is not None and self.steps_done >= self.max_steps

    def epochs(self) -> Iterator[EpochRecord]:
        """Train; yields after each epoch, when `state` may be taken."""
        while not self.finished:
            yield self._epoch()

    def state(self) -> dict[str, Any]:
        """All that a resumed run needs to go on as if it had never stopped.

        Generators are not part of it: streams are addressed by epoch.
        """
        state: dict[str, Any] = {
            "phase_index": self.phase_index,
            "epochs_in_phase": self.epochs_in_phase,
            "epochs_done": self.epochs_done,
            "steps_done": self.steps_done,
            "network": self.network.state_dict(),
        }
        if self.phase_index < len(self.phases):
            state["optimizer"] = self.optimizer.state_dict()
            state["schedule"] = self.schedule.state()
            state["monitor"] = self.monitor.state()
        return state

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        self.phase_index = state["phase_index"]
        self.epochs_in_phase = state["epochs_in_phase"]
        self.epochs_done = state["epochs_done"]
        self.steps_done = state["steps_done"]
        self.network.load_state_dict(state["network"])
        if self.phase_index < len(self.phases):
            self._begin_phase(afresh=True)
            self.optimizer.load_state_dict(state["optimizer"])
            self.schedule.restore(state["schedule"])
            self.monitor.restore(state["monitor"])

    def _begin_phase(self, afresh: bool) -> None:
        """Make ready for the current phase.

        Args:
            afresh: with an optimiser and a schedule of its own, not those of the phase before.
        """
        phase = self.phase
        self.frozen: list[nn.Module] = freeze(self.network, phase.freeze)
        self.objective = Objective(phase.loss)
        self.monitor = Monitor(phase)
        self.steps = steps_per_epoch(len(self.data.train), phase.train.batch_size)
        before, after = self._stretch()
        self.steps_before = before * self.steps
        if afresh:
            self.optimizer = build_optimizer(self.network, phase.train)
            self.schedule = Schedule(
                phase.train.schedule, phase.train.lr, before + after, self.steps
            )

    def _stretch(self) -> tuple[int, int]:
        """Epochs before and from the current phase on, of the phases that share a schedule."""
        first = last = self.phase_index
        while self.phases[first].carry_on:
            first -= 1
        while last + 1 < len(self.phases) and self.phases[last + 1].carry_on:
            last += 1
        lengths = [phase.train.epochs for phase in self.phases]
        return sum(lengths[first : self.phase_index]), sum(lengths[self.phase_index : last + 1])

    def _epoch(self) -> EpochRecord:
        epoch, phase = self.epochs_done + 1, self.phase
        bind_dropout(
            self.network, self.streams.generator("noise", "dropout", epoch, device=self.device)
        )
        self.network.train()
        hold_statistics(self.frozen)
        tally = Tally()
        start = time.perf_counter()
        done = self.steps_before + self.epochs_in_phase * self.steps
        lr = self.schedule.rate(done)
        batches = training_batches(
            self.data, phase.train.batch_size, self.streams, epoch, phase.image_size
        )
        for step, batch in enumerate(batches):
            self._step(done + step, *batch, tally)
            if self.observer is not None:
                self.observer.step(epoch, step + 1, self.steps, tally)
            if self._steps_used_up:
                self.partial = step + 1 < self.steps
                break
        figures = tally.means()
        seconds = time.perf_counter() - start
        if not (math.isfinite(figures["loss"]) and self._weights_finite()):
            raise TrainingError(
                f"training diverged in epoch {epoch}: the loss is {figures['loss']:g};"
                f" a train.lr lower than {phase.train.lr:g} may help"
            )
        validation = self._validate(self.data.validation, "validation")
        watch = self.recipe.evaluation.watch_test
        record = EpochRecord(
            epoch=epoch,
            phase=phase.name,
            lr=lr,
            seconds=seconds,
            images_per_second=tally.images / seconds,
            train=figures,
            validation=validation,
            test=self._validate(self.data.test, "test") if watch else None,
            best=self.monitor.epoch_done(validation) if validation else False,
        )
        if not self.partial:
            self._advance(validation)
        return record

    def _step(
        self, step: int, inputs: Tensor, targets: Tensor, labels: Tensor, tally: Tally
    ) -> None:
        rate = self.schedule.rate(step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group.get("scale", 1.0)
        with multiplying_in(self.precision, self.device):
            output = self.objective.run(self.network, inputs)
        terms = self.objective(self.network, output, targets, labels)
        terms["loss"].backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.steps_done += 1
        tally.add(terms, output.logits, labels)

    def _weights_finite(self) -> bool:
        return all(bool(value.isfinite().all()) for value in self.network.parameters())

    def _validate(self, images: Any, part: str) -> dict[str, float] | None:
        if images is None:
            return None
        return validate(
            self.network, self.objective, self.data, images, part, self.streams, self.precision
        )

    def _advance(self, validation: dict[str, float] | None) -> None:
        self.epochs_done += 1
        self.epochs_in_phase += 1
        if validation is not None:
            self.schedule.epoch_done(validation["loss"])
        if self.epochs_in_phase >= self.phase.train.epochs or self.monitor.exhausted:
            self.phase_index += 1
            self.epochs_in_phase = 0
            if self.phase_index < len(self.phases):
                self._begin_phase(afresh=not self.phase.carry_on)

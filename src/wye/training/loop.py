"""The one training loop: phases, epochs, steps."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from wye.batch import Batch
from wye.data.batches import training_batches
from wye.data.images import Images
from wye.data.prepare import Prepared
from wye.data.storage import joined
from wye.errors import TrainingError
from wye.network.build import Network
from wye.network.freezing import freeze, hold_statistics
from wye.network.layers import bind_dropout
from wye.recipe.schema import Recipe, ResolvedPhase
from wye.streams import Streams
from wye.training.batch_norm import synchronise
from wye.training.checkpoint import Checkpoint
from wye.training.checks import check_phases, diverged
from wye.training.features import FeatureNetwork
from wye.training.objective import Terms, leave_gradients, validate
from wye.training.phase import PhaseState
from wye.training.ranks import ALONE, Ranks
from wye.training.records import EpochRecord, Observer, RunningMeans
from wye.training.restoring import check_state
from wye.training.synthesis import latent_smote


@dataclass(eq=False)
class Trainer:
    """Trains a network by a recipe's phases.

    Args:
        network: what learns, already on the device of the data.
        precision: `fp32` or `bf16`.
        max_steps: stop after this many optimiser steps, wherever that is.
        observer: is called after every step.
        features: the frozen network of the feature term, where a phase has phi above 0.
        ranks: the processes that train the network together; each has a trainer, which begins in
            the same state. Process 0 alone validates.

    Raises:
        UsageError: a phase asks for what this network, these images or so many processes don't
            allow.
    """

    recipe: Recipe
    network: Network
    data: Prepared
    streams: Streams
    precision: str = "fp32"
    max_steps: int | None = None
    observer: Observer | None = None
    features: FeatureNetwork | None = None
    ranks: Ranks = ALONE

    def __post_init__(self) -> None:
        check_phases(self.recipe, self.network, self.data, self.ranks.count)
        if self.ranks.several:
            synchronise(self.network)
        self.device = self.data.train.pixels.device
        if self.features is not None:
            self.features.to(self.device)
        self.phases = self.recipe.resolved_phases()
        self.checkpoint = Checkpoint(self.phases)
        self.phase_index = self.epochs_in_phase = self.epochs_done = self.steps_done = 0
        self.partial = False
        self._given = self.data.train
        self._noise = self.streams.generator("noise", "jigsaw", 0, device=self.device)
        self.current = self._begin_phase()

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
            "checkpoint": self.checkpoint.state(),
        }
        if (given := len(self._given)) < len(self.data.train):
            made = self.data.train.take(torch.arange(given, len(self.data.train)))
            state["synthetic"] = {"pixels": made.pixels, "labels": made.labels}
        if self.phase_index < len(self.phases):
            state |= self.current.state()
        return state

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state`.

        Raises:
            UnfitError: it is not a state of this training; nothing of it is taken.
        """
        check_state(state, self.phases, self.network, self._given.pixels.shape[1:])
        self.phase_index = state["phase_index"]
        self.epochs_in_phase = state["epochs_in_phase"]
        self.epochs_done = state["epochs_done"]
        self.steps_done = state["steps_done"]
        self.network.load_state_dict(state["network"])
        self.checkpoint.restore(state["checkpoint"])
        self.data = replace(self.data, train=self._given)
        if "synthetic" in state:
            self._add(Images(**state["synthetic"]))
        if self.phase_index < len(self.phases):
            self.current = self._phase_state()
            self.current.restore(state)
        else:  # every phase is done; the last one's layers stay frozen
            freeze(self.network, self.phases[-1].freeze, self.phases[-1].train.freeze_norms)

    def begin_epoch(self, epoch: int) -> Iterator[Batch]:
        """Make the network ready to train in `epoch`, and give out the epoch's batches."""
        bind_dropout(
            self.network, self.streams.generator("noise", "dropout", epoch, device=self.device)
        )
        self._noise = self.streams.generator("noise", "jigsaw", epoch, device=self.device)
        self.network.train()
        if self.phase.train.freeze_norms == "all":
            hold_statistics(self.current.frozen)
        train = self.phase.train
        return training_batches(
            self.data,
            train.batch_size,
            self.streams,
            epoch,
            self.phase.image_size,
            train.steps,
            train.unlabelled,
            train.drop_last,
        )

    def step(
        self, batch: Batch, rate: float, momentum: float | None = None
    ) -> tuple[Terms, Tensor | None]:
        """One optimiser step on a batch of an epoch that has begun.

        Args:
            batch: what to learn from; of all processes together.
            rate: of the groups of parameters that are not scaled.
            momentum: that, or the first beta; None leaves it.

        Returns:
            The terms, and how many images were correctly classified if any; of the whole batch.
        """
        optimizer = self.current.optimizer
        for group in optimizer.param_groups:
            group["lr"] = rate * group.get("scale", 1.0)
            if momentum is not None and "betas" in group:
                group["betas"] = (momentum, group["betas"][1])
            elif momentum is not None:
                group["momentum"] = momentum
        found = leave_gradients(
            self.network, self.current.objective, batch, self._noise, self.ranks
        )
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        self.steps_done += 1
        return found

    def _begin_phase(self, before: PhaseState | None = None) -> PhaseState:
        """Make ready for the current phase, and the images that it asks for."""
        if self.phase.synthesize != "none":
            seed = self.streams.seed_of("subset", "latent-smote", self.phase_index)
            of = (self.network, self.data, seed, self.precision)
            self._add(self.ranks.from_main(lambda: latent_smote(*of)))
        return self._phase_state(before)

    def _phase_state(self, before: PhaseState | None = None) -> PhaseState:
        of = (self.network, self.data, self.features, self.precision)
        return PhaseState(self.phases, self.phase_index, *of, before)

    def _add(self, made: Images) -> None:
        """Train on these images too from now on."""
        have = self.data.train
        pixels = joined(have.pixels, made.pixels)
        labels = torch.cat([have.labels, made.labels])
        self.data = replace(self.data, train=Images(pixels, labels))

    def _epoch(self) -> EpochRecord:
        epoch, phase, schedule = self.epochs_done + 1, self.phase, self.current.schedule
        means = RunningMeans()
        start = time.perf_counter()
        first = self.current.first_step(self.epochs_in_phase)
        for index, batch in enumerate(self.begin_epoch(epoch), start=first):
            terms, correct = self.step(batch, schedule.rate(index), schedule.momentum(index))
            means.add(terms, correct, batch)
            done = index - first + 1
            if self.observer is not None:
                self.observer.step(epoch, done, self.current.steps, means)
            if self._steps_used_up:
                self.partial = done < self.current.steps
                break
        train = means.values()
        seconds = time.perf_counter() - start
        finite = all(bool(value.isfinite().all()) for value in self.network.parameters())
        if not (finite and math.isfinite(train["loss"])):
            raise TrainingError(diverged(epoch, train, phase))
        validation = self._validate(self.data.validation, "validation")
        test = self.data.test if self.recipe.evaluation.watch_test else None
        # An epoch that is cut short is no place to go on from, so none to choose either.
        chosen = validation if not self.partial else None
        record = EpochRecord(
            epoch=epoch,
            phase=phase.name,
            lr=schedule.rate(first),
            seconds=seconds,
            images_per_second=means.images / seconds,
            train=train,
            validation=validation,
            test=self._validate(test, "test"),
            best=chosen is not None and self.checkpoint.epoch_done(self.phase_index, chosen),
        )
        if not self.partial:
            self._advance(validation)
        return record

    def _validate(self, images: Images | None, split: str) -> dict[str, float] | None:
        if images is None:
            return None
        of = (self.network, self.current.objective, self.data, images, split, self.streams)
        return self.ranks.from_main(lambda: validate(*of))

    def _advance(self, validation: dict[str, float] | None) -> None:
        self.epochs_done += 1
        self.epochs_in_phase += 1
        if validation is not None:
            self.current.schedule.epoch_done(validation["loss"])
        stopped = self.checkpoint.exhausted(self.phase_index)
        if stopped or self.epochs_in_phase >= self.phase.train.epochs:
            self.phase_index += 1
            self.epochs_in_phase = 0
            if self.phase_index < len(self.phases):
                self.checkpoint.begin_phase(self.phase_index)
                self.current = self._begin_phase(self.current)

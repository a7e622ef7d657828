"""What the other processes of a run do while process 0 carries it out.

Process 0 alone finds, writes and measures; the others wait for a network to train, train it along
with it, and wait again. They need the data set, but no run folder.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wye.errors import MachineError, TrainingError, UsageError
from wye.recipe.schema import Recipe
from wye.runs.run import Run
from wye.runs.setup import set_up
from wye.training.loop import Trainer
from wye.training.precision import channels_last
from wye.training.ranks import Ranks


@dataclass(frozen=True)
class Work:
    """A training in which every process takes part; see `Trainer`."""

    recipe: Recipe
    precision: str
    max_steps: int | None
    images: Mapping[str, Any] = field(default_factory=dict)
    """What else `set_up` is handed."""


def follow(ranks: Ranks) -> Run:
    """Do what process 0 tells, until it tells of the finished run.

    Raises:
        ElsewhereError: process 0 failed, or ended without a word.
        WyeError: this process cannot do its part.
    """
    while True:
        told = ranks.receive()
        if isinstance(told, Run):
            return told
        assert isinstance(told, Work)
        _train_along(told, ranks)


def agree(trainer: Trainer) -> None:
    """Let the trainers of all processes go on from the state of process 0's."""
    if trainer.ranks.several:
        state = trainer.ranks.from_main(trainer.state)
        if not trainer.ranks.is_main:
            trainer.restore(state)


def _train_along(work: Work, ranks: Ranks) -> None:
    device = ranks.device
    try:
        setup = set_up(work.recipe, **work.images)
    except UsageError as error:  # what suits process 0 must be amiss on this machine
        raise MachineError(f"process {ranks.rank}: {error}") from None
    network = channels_last(setup.network.to(device))
    # What goes wrong from here on does so in process 0 too, which will tell.
    with contextlib.suppress(UsageError, TrainingError):
        trainer = Trainer(
            work.recipe,
            network,
            setup.data.to(device),
            setup.streams,
            work.precision,
            work.max_steps,
            features=setup.features,
            ranks=ranks,
        )
        agree(trainer)
        for _ in trainer.epochs():
            pass

"""Going on with a run that was begun: from its checkpoint, with its number of threads."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

import torch

from wye.errors import MachineError
from wye.machine import cores
from wye.runs.folder import RunFolder, finite
from wye.runs.run import Run
from wye.runs.schema import History, checked
from wye.training.loop import Trainer
from wye.training.restoring import UnfitError
from wye.wording import plain

MOST_THREADS = 8
"""For each core, where a run is gone on with that began with more threads than there are cores."""


logger = logging.getLogger("wye")


@contextlib.contextmanager
def threads_of(begun: Run) -> Iterator[None]:
    """Compute with as many threads as a run began with: sums of other parts round otherwise."""
    here, there = torch.get_num_threads(), begun.environment.get("threads")
    if there is None or there == here:
        yield
        return
    if there > MOST_THREADS * cores():
        logger.warning(
            "%s was begun with %d threads, more than this machine takes; with %d its weights will"
            " differ in the last digits",
            *(begun.path, there, here),
        )
        yield
        return
    logger.info("going on with %d threads, as the run began, instead of %d", there, here)
    torch.set_num_threads(there)
    try:
        yield
    finally:
        torch.set_num_threads(here)


def restored(
    trainer: Trainer, checkpoint: dict[str, Any], folder: RunFolder
) -> list[dict[str, Any]]:
    """Let a trainer go on from a checkpoint; the epochs that are done.

    Raises:
        MachineError: it is no checkpoint of this run.
    """
    path = folder.path / "last.ckpt"
    history: list[dict[str, Any]] = checkpoint.pop("history", None)
    checked({"history": finite(history)}, History, path)
    try:
        trainer.restore(checkpoint)
        if trainer.epochs_done != len(history):
            raise UnfitError(f"epochs_done={trainer.epochs_done} of {len(history)} in its history")
    except UnfitError as error:
        raise MachineError(
            f"{path} is no checkpoint of this run: {plain(str(error))};"
            " remove it to begin the run again"
        ) from None
    return history

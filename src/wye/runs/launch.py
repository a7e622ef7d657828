"""The launch of a run: training and evaluation, with everything kept in its folder."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import torch

from wye.errors import UsageError
from wye.recipe.schema import Recipe
from wye.runs.dependencies import Others, dependencies, take_over
from wye.runs.environment import environment
from wye.runs.folder import RUNS, RunFolder, folder_of
from wye.runs.holding import claimed, finished_run, same_recipe
from wye.runs.remarks import remarks
from wye.runs.results import evaluate
from wye.runs.resume import restored, threads_of
from wye.runs.run import Run
from wye.runs.setup import set_up
from wye.runs.together import Work, agree
from wye.training.loop import Trainer
from wye.training.precision import channels_last, choose_precision
from wye.training.ranks import ALONE, Ranks, choose_device
from wye.training.records import EpochRecord, Observer

logger = logging.getLogger("wye")


class RunObserver(Observer, Protocol):
    """Told of every step and epoch of a run."""

    def epoch(self, record: EpochRecord) -> None:
        """An epoch is done."""


Observe = Callable[[Recipe], contextlib.AbstractContextManager[RunObserver]]
"""Makes the observer of a run, which is entered while it trains."""


@dataclass(frozen=True, kw_only=True)
class Launch:
    """What to run and how; it travels whole from the command line, or Python, to the loop.

    Attributes:
        recipe: what to do.
        out: the run folder; that of the recipe under `root` if not given.
        device: `auto`, `cpu`, `cuda`, `cuda:1` or `mps`.
        resume: go on with the run in the folder; a finished one is left as it is, and so is one
            that `max_steps` would not take further. Without, the folder must not hold a run.
        max_steps: end training after this many optimiser steps.
        observe: makes what is told of epochs and steps.
        command: how a person would repeat it, for the record.
        root: the folder of runs where other runs that it depends on are looked for, and put.
        data: where the recipe's own images are now, if not where it says.
        strict: refuse own images that cannot be read instead of leaving them out.
        changed: nested settings that were changed in the recipe and shall be in the recipes that it
            depends on too; not given, other rows are taken as they stand in their study.
        measure_test: measure the test images at the end; a search doesn't look at them.
        track: the trackers that the run is handed on to, see `wye.tracking`.

    Raises:
        UsageError: `max_steps` is below 1.
    """

    recipe: Recipe
    out: Path | None = None
    device: str = "auto"
    resume: bool = False
    max_steps: int | None = None
    observe: Observe | None = None
    command: str = ""
    root: Path = RUNS
    data: Path | None = None
    strict: bool = False
    changed: Mapping[str, Any] | None = None
    measure_test: bool = True
    track: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.max_steps is not None and self.max_steps < 1:
            raise UsageError(f"max_steps={self.max_steps}: it should be at least 1")

    @property
    def folder(self) -> RunFolder:
        """The run folder."""
        return folder_of(self.recipe, self.out, self.root)

    def of_dependency(self, recipe: Recipe, folder: RunFolder) -> Launch:
        """How a run that this one depends on is launched."""
        command = f"{self.command} (needs {recipe.row})" if self.command else ""
        return replace(
            self, recipe=recipe, out=folder.path, resume=True, command=command, measure_test=True
        )

    def finished(self) -> Run | None:
        """The run in the folder if there is nothing left to do; see `finished_run`."""
        return finished_run(self.recipe, self.folder, self.resume, self.max_steps)


def launch(of: Launch, ranks: Ranks = ALONE) -> Run:
    """Train and evaluate, and keep everything in the run folder.

    Runs that this one depends on (`transfer`, `evaluation.judge`) are launched first where they
    aren't there.

    Args:
        ranks: the processes that train together, of which this is number 0; the others `follow`.

    Raises:
        HeldError: another process has the folder.
        WyeError: the recipe cannot be run, or the folder holds a run that is not this one.
        OSError: the folder cannot be written.

    A run that ends in an error before its first epoch is done leaves nothing behind.
    """
    recipe, folder, device = of.recipe, of.folder, choose_device(of.device)
    if (finished := of.finished()) is not None:
        logger.info(
            "%s is finished; nothing to do (--from %s trains its network further)",
            *(folder.path, folder.path),
        )
        return finished
    others = Others(
        launch=lambda recipe, folder: launch(of.of_dependency(recipe, folder), ranks),
        cut=of.max_steps is not None,
        root=of.root,
        changed=of.changed or {},
    )
    with claimed(folder), contextlib.ExitStack() as held:
        # Another process may have begun, or finished, while this one came to hold the folder.
        if (finished := of.finished()) is not None:
            return finished
        folder.journal.note("claimed")
        if folder.holds_run:
            begun = Run(folder.path)
            recipe = same_recipe(recipe, begun.recipe, folder)
            begun.say_version()
            held.enter_context(threads_of(begun))
        needed = dependencies(recipe, others)
        clock = time.perf_counter()
        before = Run(folder.path).inspection if folder.holds_run else None
        images: dict[str, Any] = {"source": of.data, "before": before, "strict": of.strict}
        setup = set_up(recipe, **images)
        if needed.start is not None and recipe.transfer is not None:
            wanted = recipe.transfer
            layers = take_over(setup.network, needed.start, wanted.layers, setup.data.classes)
            transfer = wanted.model_copy(update={"layers": layers})
            recipe = recipe.model_copy(update={"transfer": transfer})
        network = channels_last(setup.network.to(device))
        precision = choose_precision(recipe.train.precision, network, device)
        train_settings = recipe.train.model_copy(update={"precision": precision})
        recipe = recipe.model_copy(update={"train": train_settings})
        data = setup.data.to(device)
        data_seconds = time.perf_counter() - clock
        if not folder.holds_run:
            folder.write_recipe(recipe)
        if not (folder.path / "environment.json").exists():
            folder.write_json("environment.json", environment(device, precision, of.command, ranks))
        if before is None and setup.data.inspection is not None:
            folder.write_inspection(setup.data.inspection)
        (folder.path / "result.json").unlink(missing_ok=True)
        ranks.broadcast(Work(recipe, precision, of.max_steps, images))
        with of.observe(recipe) if of.observe else contextlib.nullcontext() as observer:
            trainer = Trainer(
                recipe,
                network,
                data,
                setup.streams,
                precision,
                of.max_steps,
                observer,
                features=setup.features,
                ranks=ranks,
            )
            history = _train(trainer, folder, device, observer)
        clock = time.perf_counter()
        result = evaluate(trainer, setup, folder, history, needed.judge, of.measure_test)
        train_seconds = sum(line["seconds"] for line in history)
        evaluate_seconds = time.perf_counter() - clock
        result["seconds"] = {
            "data": data_seconds,
            "train": train_seconds,
            "evaluate": evaluate_seconds,
            "total": data_seconds + train_seconds + evaluate_seconds,
        }
        folder.write_json("result.json", result)
        if setup.data.inspection is not None and result["status"] == "complete" and result["test"]:
            for remark in remarks(result):
                logger.warning("warning: %s", remark)
        folder.journal.note("finished", status=result["status"])
    return Run(folder.path)


def _train(
    trainer: Trainer, folder: RunFolder, device: torch.device, observer: RunObserver | None
) -> list[dict[str, Any]]:
    history: list[dict[str, Any]] = []
    checkpoint = folder.read_checkpoint(device)
    if checkpoint is not None:
        history = restored(trainer, checkpoint, folder)
        folder.journal.note("resumed", epoch=trainer.epochs_done)
        logger.info("resumed after epoch %d", trainer.epochs_done)
    folder.write_metrics(history)
    agree(trainer)
    for record in trainer.epochs():
        history.append({**record.line(), "best": record.best})
        if trainer.partial:
            folder.write_metrics(history)
            break
        state = {**trainer.state(), "history": history}
        trainer.checkpoint.keep(folder, state, state["network"], record.best)
        folder.write_metrics(history)
        folder.journal.note("epoch", epoch=record.epoch)
        if observer is not None:
            observer.epoch(record)
    return history

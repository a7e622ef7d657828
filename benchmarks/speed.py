"""How quick a row trains here: through the one training loop, its data and its augmentation."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.apart import TASKS, meet, peak_memory
from wye.machine import keep_freed_memory
from wye.recipe.resolve import resolve
from wye.recipe.schema import Phase, Recipe
from wye.runs.setup import set_up
from wye.training.loop import Trainer
from wye.training.precision import channels_last
from wye.training.running_means import RunningMeans

ENDLESS = 1_000_000


class Stopwatch:
    """An observer of the training that takes the time of some steps after others.

    Attributes:
        seconds: that the steps took.
        images: that they were of.
    """

    def __init__(self, warm_up: int, steps: int, device: torch.device) -> None:
        self.begin, self.end = warm_up, warm_up + steps
        self.device = device
        self.seconds = 0.0
        self.images = 0
        self._start = 0.0
        self._done = self._seen = 0

    def step(self, epoch: int, step: int, steps: int, means: RunningMeans) -> None:
        """Count, and look at the clock where the steps begin and end."""
        self._done += 1
        if self.begin < self._done <= self.end:
            self.images += means.images - (self._seen if step > 1 else 0)
        self._seen = means.images
        if self._done in (self.begin, self.end):
            if self.device.type == "cuda":
                torch.cuda.synchronize(self.device)
            now = time.perf_counter()
            self._start, self.seconds = now, now - self._start


def plain(data: str, settings: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Overrides that leave nothing but training: all images of `data`, no validation, no test."""
    given = dict(settings or {})
    return {
        **given,
        "data": {"name": data, "validation": 0.0, **given.get("data", {})},
        "evaluation": {"watch_test": False},
    }


def endless(recipe: Recipe, index: int) -> Recipe:
    """A recipe of one of the phases alone, which never ends."""
    phase = recipe.resolved_phases()[index]
    alone = Phase(name=phase.name, epochs=ENDLESS, image_size=phase.image_size, freeze=phase.freeze)
    train = phase.train.model_copy(update={"epochs": ENDLESS})
    return recipe.model_copy(update={"loss": phase.loss, "train": train, "phases": (alone,)})


def trainer_of(
    target: str,
    overrides: dict[str, Any],
    phase: int,
    precision: str,
    device: str,
    max_steps: int | None = None,
    observer: Stopwatch | None = None,
) -> Trainer:
    """What trains a phase of a row, a recipe file or a folder, as `wye train` would set it up.

    Args:
        phase: counted from 0; negative ones from the end.
    """
    keep_freed_memory()
    where = torch.device(device)
    recipe = resolve(target, overrides)
    setup = set_up(endless(recipe, phase))
    return Trainer(
        setup.recipe,
        channels_last(setup.network.to(where)),
        setup.data.to(where),
        setup.streams,
        precision,
        max_steps,
        observer,
        features=setup.features,
    )


@TASKS.register("speed")
def measure(
    target: str,
    overrides: dict[str, Any],
    precision: str,
    device: str,
    steps: int,
    warm_up: int,
    phase: int = -1,
    threads: int | None = None,
    meeting: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Train some steps of a phase and take the time.

    Args:
        threads: to compute with; as many as usual if not given.
        meeting: what `meet` takes, where others begin at the same time.

    Returns:
        `images_per_second`; `step_seconds`; `multiply_adds` of the convolutions and matrix products
        of one step, forward, backward and in the optimiser; `setup_seconds`, mostly of reading the
        data; `peak_mb`.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    begin = time.perf_counter()
    watch = Stopwatch(warm_up, steps, torch.device(device))
    trainer = trainer_of(target, overrides, phase, precision, device, warm_up + steps, watch)
    ready = time.perf_counter()
    if meeting is not None:
        meet(**meeting)
    for _ in trainer.epochs():
        pass
    peak = peak_memory()
    return {
        "images_per_second": watch.images / watch.seconds,
        "step_seconds": watch.seconds / steps,
        "multiply_adds": multiply_adds(trainer),
        "setup_seconds": ready - begin,
        "peak_mb": peak,
    }


def multiply_adds(trainer: Trainer) -> int:
    """Those of one step more, counted by torch as it is carried out."""
    batch = next(trainer.begin_epoch(ENDLESS))
    with FlopCounterMode(display=False) as counter:
        trainer.step(batch, 0.0)
    return int(counter.get_total_flops()) // 2

"""What a user waits for: the command line's answer, predictions, and the memory of a run."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.accuracy import QUICK_ROW
from benchmarks.result import Goal, Repeats, Result, Table
from benchmarks.settings import Benchmark, Found, Settings
from wye import api
from wye.apart import peak_memory
from wye.bench import phase_alone
from wye.data.sources import load
from wye.errors import MachineError
from wye.recipe.resolve import resolve
from wye.runs.launch import Launch
from wye.runs.model import Model

HELP_SECONDS, LIST_SECONDS, PREDICTIONS, RUN_MB = 0.3, 0.5, 5000.0, 1500.0


def predict(row: str, data: str, images: int, repeats: int) -> dict[str, Any]:
    """Name images with a network that is loaded, having learned for a single step.

    Returns:
        `images_per_second`, a list.
    """
    recipe = resolve(row, {"data": {"name": data}})
    with tempfile.TemporaryDirectory() as folder:
        launch = Launch(recipe=recipe, out=Path(folder, "run"), device="cpu", max_steps=1)
        run = api.run(launch)
        model = Model.of(run)
    test = load(data).test.pixels[:]
    pixels = test.repeat(-(-images // len(test)), 1, 1, 1)[:images]
    model.predict(pixels[:1000])
    rates = []
    for _ in range(repeats):
        start = time.perf_counter()
        model.predict(pixels)
        rates.append(images / (time.perf_counter() - start))
    return {"images_per_second": rates}


def whole_run(row: str, data: str, device: str, cut: int | None = None) -> dict[str, Any]:
    """A run of one epoch at the full size of the images: data, training, evaluation, figures.

    Returns:
        `peak_mb`.
    """
    recipe = phase_alone(resolve(row, {"data": {"name": data}}), -1)
    one = recipe.phases[0].model_copy(update={"epochs": 1})
    train = recipe.train.model_copy(update={"epochs": 1})
    recipe = recipe.model_copy(update={"phases": (one,), "train": train})
    with tempfile.TemporaryDirectory() as folder:
        api.run(Launch(recipe=recipe, out=Path(folder, "run"), device=device, max_steps=cut))
    return {"peak_mb": peak_memory()}


class Small(Result):
    """What `small` found.

    Attributes:
        images: that were named at a time.
    """

    data: str
    images: int
    help_seconds: Repeats
    list_seconds: Repeats
    predictions: Repeats
    run_mb: Repeats

    def goals(self) -> list[Goal]:
        """All of them."""
        timed = {"unit": "s", "at_most": True}
        goals = [
            Goal(
                what="`wye --help`", measured=self.help_seconds.median, wanted=HELP_SECONDS, **timed
            ),
            Goal(
                what="`wye list`", measured=self.list_seconds.median, wanted=LIST_SECONDS, **timed
            ),
            Goal(
                what=f"`wye predict` of {self.images:,} images, once loaded",
                measured=self.predictions.median,
                wanted=PREDICTIONS,
                unit="images/s",
            ),
        ]
        if self.data == "cifar10":
            goals.append(
                Goal(
                    what="a run on CIFAR-10, peak memory",
                    measured=self.run_mb.median,
                    wanted=RUN_MB,
                    unit="MB",
                    at_most=True,
                )
            )
        return goals

    def tables(self) -> list[Table]:
        """A line each."""
        return [
            Table(
                ("what", "measured"),
                [
                    ("`wye --help`, s", str(self.help_seconds)),
                    ("`wye list`, s", str(self.list_seconds)),
                    (f"naming {self.images:,} images, images/s", str(self.predictions)),
                    (f"a run on {self.data}, peak memory, MB", str(self.run_mb)),
                ],
            )
        ]


def run(settings: Settings) -> Small:
    """The two commands and the run in turn; the predictions one after the other."""
    of = {"row": QUICK_ROW, "data": settings.data}
    counted = {"images": settings.scale.predicted, "repeats": settings.repeats}
    found = settings.alternately(
        {
            "help": partial(answer, "--help"),
            "list": partial(answer, "list"),
            "run": partial(
                settings.carry_out,
                whole_run,
                {**of, "device": settings.device, "cut": settings.scale.cut},
            ),
        }
    )
    rates = settings.carry_out(predict, {**of, **counted})["images_per_second"]
    return Small(
        data=settings.data,
        images=settings.scale.predicted,
        help_seconds=Repeats.of(each["seconds"] for each in found["help"]),
        list_seconds=Repeats.of(each["seconds"] for each in found["list"]),
        predictions=Repeats.of(rates),
        run_mb=Repeats.of(each["peak_mb"] for each in found["run"]),
    )


def answer(*words: str) -> Found:
    """Seconds until `wye` with these words has answered and ended."""
    command = [sys.executable, "-P", "-m", "wye", *words]
    start = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise MachineError(f"`wye {' '.join(words)}` failed: {done.stderr.strip()}")
    return {"seconds": seconds}


BENCHMARK = Benchmark(
    "Small things",
    f"Commands as processes of their own, from start to end; naming images with `{QUICK_ROW}`"
    " on the processor, from pixels in memory to classes; and the most memory that a run of"
    " that row holds: data, one epoch at the full size of the images, evaluation and figures.",
    run,
)

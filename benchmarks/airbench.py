"""Our fast row beside the airbench94 recipe on a CUDA GPU, in the same run."""

from __future__ import annotations

import contextlib
import importlib.util
import tempfile
import time
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import torch

from benchmarks.accuracy import FAST_ROW, train
from benchmarks.result import Goal, Repeats, Result, Table, percent, shown
from benchmarks.settings import Benchmark, LeftOutError, Settings
from wye.data.images import Images
from wye.data.sources import load
from wye.studies.load import row_names

MOST = 1.3
"""Times airbench94's time that the row may take."""
WITHOUT_GPU = "there is no CUDA GPU here"


def train_airbench(data: str) -> dict[str, Any]:
    """Train airbench94 as its package does, after its own warm-up.

    Returns:
        `seconds` of whitening and training, and `accuracy` with its six views of each test image.
    """
    dataset = load(data)
    # The package looks for `cifar10/` in the working folder, and would fetch it elsewhere.
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        Path("cifar10").mkdir()
        for name, images in (("train", dataset.train), ("test", dataset.test)):
            torch.save(_as_airbench(images, dataset.classes), f"cifar10/{name}.pt")
        package = importlib.import_module("airbench")
        package.warmup94(verbose=False)
        torch.cuda.synchronize()
        start = time.perf_counter()
        network = package.train94(verbose=False)
        torch.cuda.synchronize()
        seconds = time.perf_counter() - start
        test = package.CifarLoader("cifar10", train=False, batch_size=2000)
        accuracy = package.evaluate(network, test, tta_level=2)
    return {"seconds": seconds, "accuracy": accuracy}


def _as_airbench(images: Images, classes: tuple[str, ...]) -> dict[str, Any]:
    pixels = images.pixels[:].permute(0, 2, 3, 1).contiguous()
    return {"images": pixels, "labels": images.labels, "classes": list(classes)}


class Airbench(Result):
    """What `airbench` found: both trained in turn, with as many seeds as there are repeats."""

    airbench: Repeats
    airbench_accuracy: Repeats
    row: Repeats
    row_accuracy: Repeats
    ratio: float

    def goals(self) -> list[Goal]:
        """The row's time beside airbench94's."""
        what = f"{FAST_ROW}, times the time of airbench94"
        return [Goal(what=what, measured=self.ratio, wanted=MOST, at_most=True)]

    def tables(self) -> list[Table]:
        """A line each."""
        lines = (
            ("airbench94", self.airbench, self.airbench_accuracy),
            (FAST_ROW, self.row, self.row_accuracy),
        )
        return [
            Table(
                ("recipe", "training, s", "median test accuracy"),
                [(name, str(time), percent(of.median)) for name, time, of in lines],
            )
        ]

    def remarks(self) -> list[str]:
        """The ratio."""
        return [f"`{FAST_ROW}` takes {shown(self.ratio)} times the time of airbench94."]


def against_airbench(settings: Settings) -> Airbench:
    """Our fast row and airbench94 in turn."""
    if not settings.on_cuda:
        raise LeftOutError(WITHOUT_GPU)
    if importlib.util.find_spec("airbench") is None:
        raise LeftOutError("the package airbench is not installed")
    if FAST_ROW not in row_names():
        raise LeftOutError(f"there is no row {FAST_ROW}")
    if settings.data != "cifar10":
        raise LeftOutError("it needs CIFAR-10: wye data fetch cifar10")
    seeds = count()
    ours = {
        **{"row": FAST_ROW, "data": settings.data, "device": settings.device},
        **{"cut": settings.scale.cut, "warm_up": settings.scale.warm_up},
    }
    found = settings.alternately(
        {
            "airbench": partial(settings.carry_out, train_airbench, {"data": settings.data}),
            "row": lambda: settings.carry_out(train, {**ours, "seed": next(seeds)}),
        }
    )
    theirs, own = found["airbench"], found["row"]
    seconds = {name: Repeats.of(each["seconds"] for each in of) for name, of in found.items()}
    return Airbench(
        airbench=seconds["airbench"],
        airbench_accuracy=Repeats.of(each["accuracy"] for each in theirs),
        row=seconds["row"],
        row_accuracy=Repeats.of(each["test"]["accuracy"] for each in own),
        ratio=seconds["row"].median / seconds["airbench"].median,
    )


BENCHMARK = Benchmark(
    "Beside airbench94",
    f"`{FAST_ROW}` and the classifier of the package `airbench`, trained in turn on the same GPU,"
    " each in a process of its own after a warm-up. Its network has no decoder.",
    against_airbench,
)

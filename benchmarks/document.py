"""All of it in one document: what was measured, where, when and how often."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, SerializeAsAny
from torch import nn

from benchmarks.benchmarks import BENCHMARKS, find
from benchmarks.result import Goal, Result
from benchmarks.settings import ON_A_GPU, QUICK, Benchmark, LeftOutError, Scale, Settings
from wye.data.sources import available
from wye.errors import MachineError
from wye.runs.environment import environment
from wye.training.precision import choose_precision

logger = logging.getLogger("wye")

VERSIONS = ("wye", "commit", "python", "torch", "numpy", "pillow")
MACHINE = ("processor", "cores", "threads", "memory_gb", "platform", "device", "device_name")


class LeftOut(BaseModel):
    """What was not measured, and why, in one line."""

    name: str
    reason: str


class Document(BaseModel):
    """One run of `python -m benchmarks`.

    Attributes:
        machine: where it was measured.
        date: when it began, in UTC.
        names: of the benchmarks that were asked for; none if all were.
        quick: whether it was a short trial, whose figures mean little.
        load: the system's load averages (over 1, 5 and 15 minutes) when it began and when it
            ended; None where the system tells none. What it does itself is part of the second.
        seconds: that all of it took.
    """

    model_config = ConfigDict(extra="forbid")

    machine: dict[str, Any]
    versions: dict[str, Any]
    date: str
    names: tuple[str, ...] = ()
    repeats: int
    quick: bool
    data: str
    load: dict[str, tuple[float, ...] | None]
    seconds: float
    results: dict[str, SerializeAsAny[Result]]
    left_out: list[LeftOut]

    def goals(self) -> list[Goal]:
        """Those of all results."""
        return [goal for result in self.results.values() for goal in result.goals()]

    def as_json(self) -> dict[str, Any]:
        """The document with its goals and their verdicts."""
        goals = [
            {**goal.model_dump(), "met": goal.met, "verdict": goal.verdict} for goal in self.goals()
        ]
        return {**self.model_dump(mode="json"), "goals": goals}


def settings_for(
    device: torch.device, repeats: int = 5, seeds: int = 3, quick: bool = False
) -> Settings:
    """The usual settings: CIFAR-10 where it is at hand, and the precisions that training takes."""
    best = choose_precision("auto", nn.Conv2d(1, 1, 1), device)
    usual = ON_A_GPU if device.type == "cuda" else Scale()
    return Settings(
        device=str(device),
        precisions=("fp32", "bf16") if best == "bf16" else ("fp32",),
        data="cifar10" if available("cifar10") else "shapes",
        repeats=1 if quick else repeats,
        seeds=1 if quick else seeds,
        scale=QUICK if quick else usual,
    )


def carry_out(
    names: Iterable[str],
    settings: Settings,
    quick: bool = False,
    keep: Callable[[Document], None] = lambda document: None,
) -> Document:
    """Carry out the benchmarks of these names in turn; all of them if there are none.

    One that cannot be carried out here is left out with a line that says why, and so is one that
    the machine refuses.

    Args:
        keep: given what there is after each benchmark, so that one that is stopped within the
            hours that all of them take loses little.

    Raises:
        UsageError: no benchmark is called so.
    """
    asked = list(names)
    chosen: dict[str, Benchmark] = {name: find(name) for name in asked} or dict(BENCHMARKS)
    begin, load = time.perf_counter(), _load()
    place = environment(torch.device(settings.device), settings.precisions[-1], "")
    document = Document(
        machine={key: place[key] for key in MACHINE},
        versions={key: place[key] for key in VERSIONS},
        date=place["started"],
        names=tuple(asked),
        repeats=settings.repeats,
        quick=quick,
        data=settings.data,
        load={"start": load, "end": load},
        seconds=0.0,
        results={},
        left_out=[LeftOut(name=name, reason="not measured yet") for name in chosen],
    )
    for name, benchmark in chosen.items():
        logger.info("%s …", name)
        start = time.perf_counter()
        document.left_out = [each for each in document.left_out if each.name != name]
        try:
            result = document.results[name] = benchmark.measure(settings)
            missing: Iterable[str] = result.missing
        except (LeftOutError, MachineError) as error:
            missing = (str(error),)
            logger.info("%s: left out: %s", name, error)
        else:
            logger.info("%s: %.0f s", name, time.perf_counter() - start)
        document.left_out += [LeftOut(name=name, reason=line) for line in missing]
        document.load["end"] = _load()
        document.seconds = time.perf_counter() - begin
        keep(document)
    return document


def _load() -> tuple[float, ...] | None:
    try:
        return os.getloadavg()
    except (OSError, AttributeError):
        return None

"""All benchmarks in one document: what was measured, where, when, how often; and its page."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, SerializeAsAny
from torch import nn

from benchmarks import (
    accuracy,
    airbench,
    alternatives,
    growth,
    limit,
    peak,
    reference,
    seeds,
    small,
)
from benchmarks.result import Goal, Result, Table, shown
from benchmarks.settings import ON_A_GPU, QUICK, Benchmark, LeftOutError, Scale, Settings
from wye.data.sources import available
from wye.errors import MachineError, UsageError
from wye.metrics import number
from wye.registry import suggest
from wye.runs.environment import environment
from wye.training.precision import choose_precision

logger = logging.getLogger("wye")

BENCHMARKS: dict[str, Benchmark] = {
    "peak": peak.BENCHMARK,
    "reference": reference.BENCHMARK,
    "alternatives": alternatives.BENCHMARK,
    "accuracy": accuracy.to_accuracy(accuracy.QUICK_ROW),
    "limit": limit.BENCHMARK,
    "growth": growth.BENCHMARK,
    "small": small.BENCHMARK,
    "airbench": airbench.BENCHMARK,
    "seeds": seeds.BENCHMARK,
    # Last, for it takes the longest: a page that is stopped here has all the others.
    "fast94": accuracy.to_accuracy(accuracy.FAST_ROW),
}
"""All of them by name, in the order in which they are carried out."""

VERSIONS = ("wye", "commit", "python", "torch", "numpy", "pillow")
MACHINE = ("processor", "cores", "threads", "memory_gb", "platform", "device", "device_name")
GOALS = ("goal", "wanted", "measured", "")


def find(name: str) -> Benchmark:
    """The benchmark called `name`; a row stands for its training from start to end.

    Raises:
        UsageError: nothing is called so.
    """
    if "/" in name:
        return accuracy.to_accuracy(name)
    if name not in BENCHMARKS:
        raise UsageError(f"no benchmark is called {name!r}; {suggest(name, BENCHMARKS)}")
    return BENCHMARKS[name]


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


def page(document: Document) -> str:
    """The page: machine, goals, a section a benchmark, what was left out. Markdown."""
    blocks = ["# Performance", *_head(document)]
    if goals := document.goals():
        blocks += ["## Goals", _told(document)]
        blocks.append(markdown(Table(GOALS, [goal.cells() for goal in goals])))
    for name, result in document.results.items():
        benchmark = find(name)
        blocks += [f"## {benchmark.title}", benchmark.about, *result.remarks()]
        for table in result.tables():
            blocks += [f"{table.title}:"] * bool(table.title)
            blocks.append(markdown(table))
    if document.left_out:
        lines = [f"- `{each.name}`: {each.reason}." for each in document.left_out]
        blocks += ["## Left out here", "\n".join(lines)]
    return "\n\n".join(blocks) + "\n"


def _head(document: Document) -> list[str]:
    machine, versions = document.machine, document.versions
    memory = machine["memory_gb"]
    place = f"{machine['processor']}, {machine['cores']} cores, {machine['threads']} threads"
    place += f", {memory:g} GB" if memory else ""
    if machine["device"] != "cpu":
        place += f"; networks on {machine['device_name']} ({machine['device']})"
    known = [f"{name} {version}" for name, version in versions.items() if version]
    blocks = [
        "Written by this command, from one run of it; no figure is typed by hand:",
        f"    {' '.join(['python -m benchmarks', *document.names])} --out docs/performance.md",
        f"- Machine: {place}; {machine['platform']}.",
        f"- Versions: {', '.join(known)}.",
        f"- Begun {document.date}, done in {number(document.seconds / 60)} minutes."
        f"{_busy(document)}",
    ]
    blocks[2:] = ["\n".join(blocks[2:])]
    if document.quick:
        blocks.append("**A quick trial: too short for its figures to mean anything.**")
    often = "once" if document.repeats == 1 else f"{document.repeats} times"
    blocks.append(
        f"What is compared was measured in turn (A, B, …, A, B, …), {often} where nothing else is"
        " said. A figure is the median, with the least and the greatest in brackets."
        f" Trained on {_data(document.data)}."
    )
    return blocks


def _data(name: str) -> str:
    if name == "cifar10":
        return "CIFAR-10"
    return f"the generated data set `{name}`, because CIFAR-10 is not at hand"


def _busy(document: Document) -> str:
    start, end = document.load["start"], document.load["end"]
    if start is None or end is None:
        return ""
    return (
        f" Load average of the machine over the minute before: {shown(start[0])}; in the last"
        f" minute, with the benchmarks' own part: {shown(end[0])}."
    )


def _told(document: Document) -> str:
    goals = document.goals()
    missed = [goal.what for goal in goals if not goal.met]
    if not missed:
        return f"All {len(goals)} goals are met."
    return f"{len(goals) - len(missed)} of {len(goals)} goals are met. Missed: {'; '.join(missed)}."


def markdown(table: Table) -> str:
    """A table; all columns but the first are aligned to the right."""
    marks = ["---", *["---:"] * (len(table.headings) - 1)]
    lines = [table.headings, marks, *table.rows]
    return "\n".join("| " + " | ".join(cells).rstrip() + " |" for cells in lines)

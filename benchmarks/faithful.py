"""A faithful row beside the reference, at two batch sizes."""

from __future__ import annotations

from functools import partial
from typing import Any

from benchmarks import reference, speed
from benchmarks.result import Finding, Goal, Repeats, Result, Table, shown
from benchmarks.settings import Benchmark, Found, Settings

ROW = "joint/v4-l2"
BATCHES = (32, 128)
WANTED = {"fp32": 1.8, "bf16": 3.5}
"""How many times as quick as the reference the row should be on a processor."""


class Pace(Finding):
    """Images/s of the row at one batch size and precision, and of the reference in fp32."""

    batch_size: int
    precision: str
    reference: Repeats
    wye: Repeats
    ratio: float


class Faithful(Result):
    """What `reference` found: the row in each precision at each batch size."""

    data: str
    on_cpu: bool
    workers: int
    paces: tuple[Pace, ...]

    def goals(self) -> list[Goal]:
        """The ratios, on a processor."""
        return [
            Goal(
                what=f"{ROW} at batch {pace.batch_size} in {pace.precision}, times the reference",
                measured=pace.ratio,
                wanted=WANTED[pace.precision],
            )
            for pace in self.paces
            if self.on_cpu
        ]

    def remarks(self) -> list[str]:
        """What the reference had."""
        return [f"Trained on {self.data}; the reference has {self.workers} worker processes."]

    def tables(self) -> list[Table]:
        """A line for each batch size and precision."""
        return [
            Table(
                ("batch, precision", "reference, images/s", "Wye, images/s", "ratio"),
                [
                    (
                        f"{pace.batch_size}, {pace.precision}",
                        str(pace.reference),
                        str(pace.wye),
                        shown(pace.ratio),
                    )
                    for pace in self.paces
                ],
            )
        ]


def run(settings: Settings) -> Faithful:
    """Reference and row in turn, each in a process of its own."""
    where = {"device": settings.device, "warm_up": settings.scale.warm_up}
    measures = {}
    for batch in BATCHES:
        steps = settings.scale.steps_of(batch)
        arguments: dict[str, Any] = {"data": settings.data, "batch_size": batch, "steps": steps}
        theirs = {**arguments, **where}
        measures[batch, "reference"] = partial(settings.carry_out, "reference", theirs)
        for precision in settings.precisions:
            ours = {
                "target": ROW,
                "overrides": speed.plain(settings.data, {"train": {"batch_size": batch}}),
                "precision": precision,
                "steps": steps,
                **where,
            }
            measures[batch, precision] = partial(settings.carry_out, "speed", ours)
    found = settings.alternately(measures)
    paces = []
    for batch in BATCHES:
        theirs_found = Repeats.of(map(_pace, found[batch, "reference"]))
        for precision in settings.precisions:
            own = Repeats.of(each["images_per_second"] for each in found[batch, precision])
            paces.append(
                Pace(
                    batch_size=batch,
                    precision=precision,
                    reference=theirs_found,
                    wye=own,
                    ratio=own.median / theirs_found.median,
                )
            )
    return Faithful(
        data=settings.data,
        on_cpu=settings.on_cpu,
        workers=reference.workers(),
        paces=tuple(paces),
        missing=settings.without_bf16,
    )


def _pace(found: Found) -> float:
    return float(found["images"] / found["seconds"])


BENCHMARK = Benchmark(
    "A faithful row beside the studies' own way",
    f"The network, loss and optimiser of `{ROW}` in plain PyTorch as the studies wrote them"
    " (PIL images that are flipped and normalised one by one in the worker processes of a"
    " DataLoader, fp32, the usual memory format), and the row itself through the training loop."
    " Both do the same mathematics: a test compares the loss and the gradients of a step.",
    run,
)

"""Several seeds of one row at once: worker processes beside each other on one device."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks import speed
from benchmarks.reference import ROW as STUDIED
from benchmarks.result import Goal, Repeats, Result, Table, shown
from benchmarks.settings import Benchmark, Found, LeftOutError, Settings
from wye.jobs.local import MOST
from wye.machine import cores

WANTED = 2.0
"""Times the time of one seed that `MOST` together may take on a GPU."""


class Together(Result):
    """What `together` found.

    Attributes:
        seeds: trained at once.
        threads: of the one alone, and of each of them.
        alone: images/s of one seed.
        together: images/s of all of them.
        times: the time that all take, over the time of one alone.
    """

    row: str
    on_cuda: bool
    seeds: int
    threads: tuple[int, int]
    alone: Repeats
    together: Repeats
    times: float

    def goals(self) -> list[Goal]:
        """On a GPU, the time of all beside the time of one."""
        if not self.on_cuda:
            return []
        what = f"{self.seeds} seeds of {self.row} together, times the time of one"
        return [Goal(what=what, measured=self.times, wanted=WANTED, at_most=True)]

    def tables(self) -> list[Table]:
        """A line each."""
        one, each = self.threads
        lines = (
            (f"one seed, {_threads(one)}", self.alone),
            (f"{self.seeds} seeds at once, {_threads(each)} each", self.together),
        )
        return [Table(("trained", "images/s in all"), [(name, str(of)) for name, of in lines])]

    def remarks(self) -> list[str]:
        """What the user of several seeds gains."""
        return [
            f"{self.seeds} seeds at once take {shown(self.times)} times the time of one, and"
            f" {shown(self.seeds / self.times)} times less than {self.seeds} one after the other."
        ]


def _threads(count: int) -> str:
    return f"{count} thread{'s' * (count > 1)}"


def together(settings: Settings) -> Together:
    """One seed, and several at once, in turn.

    Raises:
        LeftOutError: this machine has a single core.
    """
    count = MOST if settings.on_cuda else cores()
    if count < 2:
        raise LeftOutError("this machine has a single core")
    each = max(1, cores() // count)
    alone = cores()

    def train(seeds: int, threads: int) -> Found:
        with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(seeds) as pool:
            meeting = {"folder": folder, "count": seeds}

            def one(seed: int) -> Found:
                arguments: dict[str, Any] = {
                    "target": STUDIED,
                    "overrides": {**speed.plain(settings.data), "seed": seed},
                    "precision": settings.precisions[-1],
                    "device": settings.device,
                    "steps": settings.scale.steps,
                    "warm_up": settings.scale.warm_up,
                    "threads": threads,
                    "meeting": meeting,
                }
                return settings.carry_out(speed.measure, arguments)

            found = list(pool.map(one, range(seeds)))
        return {"images_per_second": sum(each["images_per_second"] for each in found)}

    found = settings.alternately(
        {"alone": lambda: train(1, alone), "together": lambda: train(count, each)}
    )
    rates = {
        name: Repeats.of(each["images_per_second"] for each in of) for name, of in found.items()
    }
    return Together(
        row=STUDIED,
        on_cuda=settings.on_cuda,
        seeds=count,
        threads=(alone, each),
        alone=rates["alone"],
        together=rates["together"],
        times=count * rates["alone"].median / rates["together"].median,
    )


BENCHMARK = Benchmark(
    "Many seeds at once",
    f"Seeds of `{STUDIED}` trained side by side, in as many processes (`wye study {STUDIED} --seeds"
    " N --workers N`), beside one alone that has all cores. They begin together, once all of them"
    " have read their data.",
    together,
)

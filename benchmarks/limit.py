"""How near to the machine's peak training comes, and where the rest goes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks import peak, speed
from benchmarks.accuracy import FAST_ROW, QUICK_ROW
from benchmarks.reference import ROW
from benchmarks.result import Finding, Goal, Repeats, Result, Table, percent, shown
from benchmarks.settings import Benchmark, Found, Settings
from wye.data.batches import steps_per_epoch
from wye.data.catalog import DATASETS
from wye.recipe.resolve import recipe_from_row
from wye.recipe.schema import Recipe
from wye.studies.load import row_names

ROWS = (QUICK_ROW, ROW, FAST_ROW)
WANTED = {FAST_ROW: 0.5}
"""Share of the peak that a row should reach on a processor."""


class Cost(Finding):
    """A step of one phase of a row.

    Attributes:
        steps: of the whole phase.
        multiply_adds: of one step's convolutions and matrix products: forward, the gradients that
            are needed, and the optimiser's own.
        gflops: two a multiply-add, over the median time.
        share: of the peak in this precision.
        groups: share of each group of operators in the time, under the profiler.
    """

    phase: str
    image_size: int
    batch_size: int
    steps: int
    multiply_adds: int
    step_seconds: Repeats
    gflops: float
    share: float
    groups: dict[str, float]


class RowLimit(Finding):
    """A row: its phases, and the share of the peak over all of its steps."""

    row: str
    precision: str
    phases: tuple[Cost, ...]
    share: float


class Limit(Result):
    """What `limit` found.

    Attributes:
        peak: GFLOP/s of the quickest product or convolution, by precision, measured between.
    """

    data: str
    on_cpu: bool
    peak: dict[str, float]
    rows: tuple[RowLimit, ...]

    def goals(self) -> list[Goal]:
        """The share of the peak, on a processor."""
        return [
            Goal(
                what=f"{row.row}, share of the peak in {row.precision}",
                measured=row.share,
                wanted=WANTED[row.row],
                unit="%",
            )
            for row in self.rows
            if self.on_cpu and row.row in WANTED
        ]

    def remarks(self) -> list[str]:
        """The peak, and what takes most of the time beside multiplying."""
        peaks = ", ".join(f"{shown(rate, 'GFLOP/s')} in {name}" for name, rate in self.peak.items())
        told = [f"Trained on {self.data}. The peak measured between the steps: {peaks}."]
        for row in self.rows:
            rest = _rest(row)
            most = ", ".join(f"{name} {percent(share)}" for name, share in rest[:3])
            told.append(
                f"`{row.row}` reaches {percent(row.share)} of it over all of its steps. Of the"
                f" time that is not convolutions or matrix products most goes to: {most} of the"
                " whole."
            )
        return told

    def tables(self) -> list[Table]:
        """What a step costs, and where its time goes."""
        lines = [(row, cost) for row in self.rows for cost in row.phases]
        names = [_name(row, cost) for row, cost in lines]
        what = ("row, phase", "batch", "px", "multiply-adds a step, millions")
        costs = Table(
            (*what, "step, ms", "GFLOP/s", "share of the peak"),
            [
                (
                    name,
                    str(cost.batch_size),
                    str(cost.image_size),
                    shown(cost.multiply_adds / 1e6),
                    str(_milliseconds(cost.step_seconds)),
                    shown(cost.gflops),
                    percent(cost.share),
                )
                for name, (_, cost) in zip(names, lines, strict=True)
            ],
        )
        groups = Table(
            ("share of the time", *names),
            [(group, *(percent(cost.groups[group]) for _, cost in lines)) for group in speed.ORDER],
            title="Where the time goes, under the profiler",
        )
        return [costs, groups]


def _name(row: RowLimit, cost: Cost) -> str:
    return row.row if len(row.phases) == 1 else f"{row.row}, {cost.phase}"


def _milliseconds(seconds: Repeats) -> Repeats:
    scaled = {name: 1e3 * getattr(seconds, name) for name in ("median", "least", "greatest")}
    return Repeats(**scaled, n=seconds.n)


def _rest(row: RowLimit) -> list[tuple[str, float]]:
    """The groups that multiply nothing, by their share over the steps of all phases."""
    times = [cost.steps * cost.step_seconds.median for cost in row.phases]
    found = {
        group: sum(t * cost.groups[group] for t, cost in zip(times, row.phases, strict=True))
        for group in speed.ORDER
        if group not in ("convolutions", "matrix products")
    }
    return sorted(((g, t / sum(times)) for g, t in found.items()), key=lambda each: -each[1])


def run(settings: Settings) -> Limit:
    """Every phase of every row in turn, and the peak between; then each under the profiler."""
    scale, precision = settings.scale, settings.precisions[-1]
    recipes = {row: recipe_from_row(row) for row in ROWS if row in row_names()}
    measures: dict[Any, Callable[[], Found]] = {
        "peak": partial(
            settings.carry_out,
            peak.measure,
            {
                "precision": precision,
                "device": settings.device,
                "seconds": scale.seconds,
                "backward": False,
            },
        )
    }
    profiles: dict[tuple[str, int], Found] = {}
    for row, recipe in recipes.items():
        for index, phase in enumerate(recipe.resolved_phases()):
            arguments = {
                "target": row,
                "overrides": speed.plain(settings.data),
                "precision": precision,
                "device": settings.device,
                "warm_up": scale.warm_up,
                "phase": index,
            }
            steps = scale.steps_of(phase.train.batch_size, phase.image_size or 32)
            timed = {**arguments, "steps": steps}
            measures[row, index] = partial(settings.carry_out, speed.measure, timed)
            profiled = {**arguments, "steps": scale.profiled}
            profiles[row, index] = settings.carry_out(speed.profiled, profiled)
    found = settings.alternately(measures)
    top = peak.peak_of(peak.repeated(found.pop("peak")))
    rows = []
    for row, recipe in recipes.items():
        phases = tuple(
            _cost(recipe, index, found[row, index], profiles[row, index], top, settings.data)
            for index in range(len(recipe.resolved_phases()))
        )
        work = sum(cost.steps * cost.multiply_adds for cost in phases)
        seconds = sum(cost.steps * cost.step_seconds.median for cost in phases)
        share = 2 * work / seconds / 1e9 / top
        rows.append(RowLimit(row=row, precision=precision, phases=phases, share=share))
    return Limit(
        data=settings.data,
        on_cpu=settings.on_cpu,
        peak={precision: top},
        rows=tuple(rows),
        missing=(
            *settings.without_bf16,
            *(f"{row}: there is no such row" for row in ROWS if row not in recipes),
        ),
    )


def _cost(
    recipe: Recipe, index: int, found: list[Found], groups: Found, top: float, data: str
) -> Cost:
    phase, source = recipe.resolved_phases()[index], DATASETS[data]
    seconds = Repeats.of(each["step_seconds"] for each in found)
    work = int(found[0]["multiply_adds"])
    gflops = 2 * work / seconds.median / 1e9
    train = phase.train
    steps = train.steps or steps_per_epoch(source.sizes[0], train.batch_size)
    return Cost(
        phase=phase.name,
        image_size=phase.image_size or source.shape[1],
        batch_size=train.batch_size,
        steps=train.epochs * steps,
        multiply_adds=work,
        step_seconds=seconds,
        gflops=gflops,
        share=gflops / top,
        groups=groups,
    )


BENCHMARK = Benchmark(
    "How near to the peak, and where the rest goes",
    "Multiply-adds of a whole training step (of convolutions and matrix products, forward,"
    " backward and in the optimiser, as torch counts them while it is carried out; two"
    " floating-point operations each) over its time, beside the quickest matrix product or"
    " convolution of this machine in the same precision. The profiler says what the time is"
    " spent on; it slows steps of many small operators, so its shares are no exact ones.",
    run,
)

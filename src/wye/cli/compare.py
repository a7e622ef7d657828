"""`wye compare`."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wye.cli import completion
from wye.cli.output import (
    Format,
    Json,
    Only,
    figure,
    number_of_runs,
    p_value,
    print_json,
    print_table,
    say,
)
from wye.metrics import METRICS, metric, number

if TYPE_CHECKING:
    from wye.evidence.compare import Comparison
    from wye.evidence.mcnemar import McNemar
    from wye.evidence.paired import Paired
    from wye.metrics import Spread

DIFFERENCE = 0.005
"""Half a point: what a number of runs is told for where nothing else is asked."""


def add_to(app: typer.Typer) -> None:
    """Enter this file's command."""
    app.command("compare")(compare)


def compare(
    first: Annotated[
        str,
        typer.Argument(
            metavar="A",
            help="A row, a run folder, or a folder of runs of one recipe.",
            autocompletion=completion.rows_and_runs,
        ),
    ],
    second: Annotated[
        str,
        typer.Argument(
            metavar="B",
            help="The same, to compare it with.",
            autocompletion=completion.rows_and_runs,
        ),
    ],
    runs: Annotated[Path, typer.Option(help="Where the runs of rows are.")] = Path("runs"),
    protocol: Annotated[
        str, typer.Option(help="Runs of rows as published (paper), or of fewer epochs (short).")
    ] = "paper",
    only: Only = None,
    name: Annotated[
        str | None, typer.Option("--metric", help="This one alone; all that both measured.")
    ] = None,
    difference: Annotated[
        float | None,
        typer.Option(
            help="Tell how many runs a difference of this size needs, as the metric is stored.",
            show_default="0.005 of accuracy and other shares",
        ),
    ] = None,
    form: Format = "table",
    json: Json = False,
) -> None:
    """Compare two systems by runs of the same seeds.

    The differences, their intervals and tests.
    """
    from wye.errors import UsageError
    from wye.evidence.compare import compare as compared
    from wye.evidence.systems import find_systems
    from wye.registry import suggest

    if name is not None and name not in METRICS:
        raise UsageError(f"--metric {name}: there is no such metric; {suggest(name, METRICS)}")
    if difference is not None and not 0 < difference < float("inf"):
        raise UsageError(f"--difference {difference}: it should be above 0, 0.005 for instance")
    a, b = find_systems([first, second], runs, protocol, only)
    found = compared(a, b, name)
    for warning in found.warnings:
        logging.getLogger("wye").warning("warning: %s", warning)
    sizes = {each: _size(each, name, difference) for each in found.metrics}
    if json or form == "json":
        print_json(_document(found, sizes))
    else:
        _print(found, sizes, form)


def _size(name: str, only: str | None, difference: float | None) -> float | None:
    """The difference that a number of runs is told for; None where none is meant."""
    if difference is not None and name == (only or "accuracy"):
        return difference
    return DIFFERENCE if METRICS[name].scale == 100 else None


def _needed(pair: Paired, size: float | None) -> int | None:
    return None if size is None else pair.runs_needed(size)


def _document(found: Comparison, sizes: dict[str, float | None]) -> dict[str, Any]:
    systems = {
        letter: {
            "name": system.name,
            "row": system.recipe.row,
            "protocols": list(system.protocols),
            "runs": {str(seed): pair[place].where for seed, pair in found.records.items()},
            "left_out": found.left_out(system),
        }
        for place, (letter, system) in enumerate([("a", found.first), ("b", found.second)])
    }
    return {
        **systems,
        "seeds": list(found.seeds),
        "warnings": list(found.warnings),
        "notes": list(found.notes),
        "metrics": {name: _statistics(pair, sizes[name]) for name, pair in found.metrics.items()},
        "mcnemar": {
            "seeds": {str(seed): vars(test) for seed, test in found.by_seed.items()},
            "together": vars(found.together) if found.together else None,
        },
    }


def _statistics(pair: Paired, size: float | None) -> dict[str, Any]:
    return {
        "a": vars(pair.first),
        "b": vars(pair.second),
        "n": len(pair.seeds),
        "seeds": list(pair.seeds),
        "difference": pair.mean,
        "sd": pair.sd,
        "interval": pair.interval,
        "bootstrap": pair.bootstrap,
        "p": pair.p,
        "d_z": pair.effect_size,
        "overlap": pair.overlap,
        "floor": vars(pair.floor),
        "runs_needed": {"difference": size, "runs": _needed(pair, size)},
    }


def _print(found: Comparison, sizes: dict[str, float | None], form: str) -> None:
    for letter, system in (("A", found.first), ("B", found.second)):
        under = "".join(f", {protocol}" for protocol in system.protocols)
        out = ", ".join(map(str, found.left_out(system)))
        alone = f"; seeds without a pair: {out}" if out else ""
        say(form, f"{letter}  {system.name}{under}{alone}")
    seeds = ", ".join(map(str, found.seeds))
    right = "right"
    columns = [("metric", "left"), ("A", right), ("B", right), ("A − B", right)]
    columns += [("95 % t interval", right), ("bootstrap", right), ("p", right), ("d_z", right)]
    lines = [_line(name, pair) for name, pair in found.metrics.items()]
    print_table(columns, lines, title=f"paired by seed: {seeds}", form=form)
    for note in found.notes:
        say(form, note)
    first = next((name for name, size in sizes.items() if size is not None), None)
    if first and (runs := _needed(found.metrics[first], sizes[first])) is not None:
        from wye.evidence.paired import MOST_RUNS

        size = figure(first, sizes[first], signed=True).lstrip("+")
        say(
            form,
            f"a difference of {size} in {first} needs {number_of_runs(runs, MOST_RUNS)}"
            " (power 0.8 at p < 0.05)",
        )
    for seed, test in found.by_seed.items():
        say(form, f"McNemar, seed {seed}: {_counts(test)}, exact p {p_value(test.p)}")
    if found.together:
        say(
            form,
            f"McNemar, images as clusters of all seeds: {_counts(found.together)},"
            f" p {p_value(found.together.p)}",
        )


def _line(name: str, pair: Paired) -> tuple[str, ...]:
    known = metric(name)

    def ends(interval: tuple[float, float] | None) -> str:
        if interval is None:
            return ""
        return " to ".join(known.show_difference(end) for end in interval)

    unit = f", {known.unit}" if known.unit else ""
    return (
        f"{name}{unit}",
        _spread(name, pair.first),
        _spread(name, pair.second),
        known.show_difference(pair.mean),
        ends(pair.interval),
        ends(pair.bootstrap),
        p_value(pair.p),
        "" if pair.effect_size is None else number(pair.effect_size, 2),
    )


def _spread(name: str, measured: Spread) -> str:
    known = metric(name)
    deviation = "" if measured.sd is None else f" ± {known.show(measured.sd)}"
    return known.show(measured.mean) + deviation


def _counts(test: McNemar) -> str:
    return f"right in A alone {test.only_first:,}, in B alone {test.only_second:,}"

"""Tables of what was measured of a study's rows, beside what was published."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby

from markup import code, table
from published_table import figure, mean_and_deviation

from wye.metrics import best, headlines, metric, number, ordered, spread
from wye.recipe import Recipe, recipe_from_row
from wye.recipe.measured import caveat
from wye.runs.records import Record

HEADINGS = ("row", "metric", "measured", "training", "command")


def measured_section(study: str, runs: Sequence[Record]) -> str:
    """What was measured of a study's rows: as they stand, and with changed settings apart."""
    own = [run for run in runs if run.row.startswith(f"{study}/")]
    if not own:
        return "Nothing is measured yet."
    parts = [
        "Test images, weights of the epoch that the row selects; mean ± standard deviation over n"
        " seeds. Every run is a record that comes with the package; `wye results add RUNS` adds"
        " more."
    ]
    plain = [run for run in own if run.protocol == "paper"]
    short = [run for run in own if run.protocol == "short"]
    changed = [run for run in own if run.protocol is None]
    if plain:
        parts += ["### Rows as published", _table(plain)]
    if short:
        parts += [
            "### Under the protocol `short`",
            "With fewer epochs, the same for all rows, so that they can be compared with each other"
            " and not with what was published.",
            _table(short),
        ]
    if changed:
        parts += [
            "### Runs with changed settings",
            "With other settings than the row has, named under it; they do not repeat the published"
            " system.",
            _table(changed),
        ]
    return "\n\n".join([*parts, _where(own)])


def _table(runs: Sequence[Record]) -> str:
    lines = []
    for _, group in groupby(runs, key=lambda run: (run.row, run.changes)):
        lines += _lines(list(group))
    return table(HEADINGS, lines)


def _lines(runs: Sequence[Record]) -> list[list[str]]:
    """The lines of one row: a metric each, and the optimistic figures."""
    first = runs[0]
    recipe = recipe_from_row(first.row)
    named = {name for run in runs for name in run.metrics}
    wanted = {*headlines(named), *recipe.printed(), *recipe.corrected}
    if recipe.network.decoder != "none":
        wanted |= {name for name in named if "decoder" in metric(name).needs}
    names = [name for name in ordered(named) if name in wanted]
    lines = [_line(name, runs, recipe) for name in names]
    lines += _best_split(names, runs, recipe)
    best = [run.best_on_test for run in runs if run.best_on_test is not None]
    if best:
        lines.append(
            ["Accuracy, best epoch on test (optimistic)", mean_and_deviation("accuracy", best)]
        )
    changes = "".join(f"<br>{code(word)}" for word in first.changes)
    head, training = code(first.row) + changes, _training(runs)
    ends = [[training, _commands(runs)], *([["", ""]] * len(lines))]
    return [
        [head if at == 0 else "", *line, *end]
        for at, (line, end) in enumerate(zip(lines, ends, strict=False))
    ]


def _line(name: str, runs: Sequence[Record], recipe: Recipe) -> list[str]:
    judge = runs[0].judge
    having = [run for run in runs if name in run.metrics]
    why = caveat(recipe, name)
    if "judge" in metric(name).needs:
        having = [run for run in having if run.judge == judge]
        why = why if recipe.evaluation.judge in ("self", judge) else f"judged by `{judge}`"
    measured = mean_and_deviation(name, [run.metrics[name] for run in having])
    return [metric(name).label, measured + (f"<br>{why}" if why else "")]


def _best_split(names: Sequence[str], runs: Sequence[Record], recipe: Recipe) -> list[list[str]]:
    """The best of several random splits by the test set, of accuracy and what was published."""
    if recipe.evaluation.splits == 1 or len(runs) < 2:
        return []
    lines = []
    for name in names:
        if name == "accuracy" or name in recipe.printed():
            values = {i: run.metrics.get(name, math.nan) for i, run in enumerate(runs)}
            label = f"{metric(name).label}, best of {len(runs)} splits (optimistic)"
            lines.append([label, figure(name, values[best(values, name)])])
    return lines


def _training(runs: Sequence[Record]) -> str:
    """Epochs, mean seconds and speed, and on what."""
    epochs = sorted({run.epochs for run in runs if run.epochs})
    seconds, speed = (
        spread(value for run in runs if (value := getattr(run, key)) is not None)
        for key in ("seconds", "images_per_second")
    )
    places = dict.fromkeys(f"{run.machine}, {run.precision}" for run in runs)
    length = f"{'-'.join(map(str, epochs[:: max(1, len(epochs) - 1)]))} epochs"
    took = f", {number(seconds.mean)} s" if seconds else ""
    pace = f", {number(speed.mean)} images/s" if speed else ""
    return f"{length}{took}{pace}<br>{'<br>'.join(places)}"


def _commands(runs: Sequence[Record]) -> str:
    """The command of the first seed, and the other seeds."""
    others = ", ".join(str(run.seed) for run in runs[1:])
    return code(runs[0].command or "") + (f"<br>and seeds {others}" if others else "")


def _where(runs: Sequence[Record]) -> str:
    """The versions behind the tables."""

    def distinct(key: str) -> str:
        return ", ".join(sorted({str(value) for run in runs if (value := getattr(run, key))}))

    return (
        f"Versions: wye {distinct('wye')}, torch {distinct('torch')}; commits {distinct('commit')}."
    )

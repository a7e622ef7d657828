"""Tables of what was measured of a study's rows, beside what was published."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import groupby

from markup import code, table

from wye.metrics import best, headlines, metric, number, ordered, spread
from wye.recipe import Recipe, recipe_from_row
from wye.recipe.measured import caveat
from wye.runs.records import Record

HEADINGS = ("row", "metric", "published", "measured", "difference", "training", "command")


def figure(name: str, value: float, signed: bool = False) -> str:
    """A metric with its unit."""
    known = metric(name)
    shown = known.show_difference(value) if signed else known.show(value)
    return f"{shown} {known.difference_unit if signed else known.unit}".rstrip()


def measured_section(study: str, runs: Sequence[Record]) -> str:
    """What was measured of a study's rows: as they stand, and with changed settings apart."""
    own = [run for run in runs if run.row.startswith(f"{study}/")]
    if not own:
        return "Nothing is measured yet."
    parts = [
        "Test images, weights of the epoch that the row selects; mean ± standard deviation over n"
        " seeds. Difference: measured less published, or less the corrected figure where there is"
        " one, of rows as published alone. Every run is a record that comes with the package;"
        " `wye results add RUNS` adds more."
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
        lines.append(["Accuracy, best epoch on test (optimistic)", "", _spread("accuracy", best)])
    changes = "".join(f"<br>{code(word)}" for word in first.changes)
    head, training = code(first.row) + changes, _training(runs)
    ends = [[training, _commands(runs)], *([["", ""]] * len(lines))]
    padded = [[*line, *[""] * (4 - len(line))] for line in lines]
    return [
        [head if at == 0 else "", *line, *end]
        for at, (line, end) in enumerate(zip(padded, ends, strict=False))
    ]


def _line(name: str, runs: Sequence[Record], recipe: Recipe) -> list[str]:
    home = recipe.data.name == runs[0].data
    published = recipe.printed().get(name) if home else None
    wanted = recipe.reference(name) if home else None
    values = [run.metrics[name] for run in runs if name in run.metrics]
    shown = figure(name, published) if published is not None else ""
    if home and name in recipe.corrected:
        shown = f"{shown} (corrected: {figure(name, recipe.corrected[name])})".strip()
    mean = spread(values)
    assert mean is not None
    # A run with other settings, or with another judge, repeats nothing that was published.
    own = "judge" not in metric(name).needs or recipe.evaluation.judge in ("self", runs[0].judge)
    repeats = wanted is not None and own and runs[0].protocol == "paper"
    difference = figure(name, mean.mean - (wanted or 0.0), signed=True) if repeats else ""
    why = caveat(recipe, name)
    if not own:
        why = f"judged by `{runs[0].judge}`"
    measured = _spread(name, values) + (f"<br>{why}" if why else "")
    return [metric(name).label, shown, measured, difference]


def _best_split(names: Sequence[str], runs: Sequence[Record], recipe: Recipe) -> list[list[str]]:
    """The best of several random splits by the test set, of accuracy and what was published."""
    if recipe.evaluation.splits == 1 or len(runs) < 2:
        return []
    lines = []
    for name in names:
        if name == "accuracy" or name in recipe.printed():
            values = {i: run.metrics.get(name, math.nan) for i, run in enumerate(runs)}
            label = f"{metric(name).label}, best of {len(runs)} splits (optimistic)"
            lines.append([label, "", figure(name, values[best(values, name)])])
    return lines


def _spread(name: str, values: Iterable[float]) -> str:
    found = spread(values)
    assert found is not None
    deviation = "" if found.sd is None else f" ± {metric(name).show(found.sd)}"
    unit = f" {metric(name).unit}".rstrip()
    return f"{metric(name).show(found.mean)}{deviation}{unit} (n={found.n})"


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

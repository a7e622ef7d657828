"""Tables of what was measured of a study's rows, beside what was published."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import groupby

from markup import code, table
from measured import Measured

from wye.metrics import best, headlines, metric, number, ordered, spread
from wye.recipe import Recipe, recipe_from_row
from wye.recipe.measured import caveat

HEADINGS = ("row", "metric", "published", "measured", "difference", "training", "command")


def figure(name: str, value: float, signed: bool = False) -> str:
    """A metric with its unit."""
    known = metric(name)
    shown = known.show_difference(value) if signed else known.show(value)
    return f"{shown} {known.difference_unit if signed else known.unit}".rstrip()


def measured_section(study: str, runs: Sequence[Measured]) -> str:
    """What was measured of a study's rows: as they stand, and with changed settings apart."""
    own = [run for run in runs if run["row"].startswith(f"{study}/")]
    if not own:
        return "Nothing is measured yet."
    parts = [
        "Test images, weights of the epoch that the row selects; mean ± standard deviation over n"
        " seeds. Difference: measured less published, or less the corrected figure where there is"
        " one. Written by `python docs/build.py --measured RUNS` from run folders; every run is in"
        " `docs/results/measured.json`."
    ]
    plain = [run for run in own if not run["changes"]]
    changed = [run for run in own if run["changes"]]
    if plain:
        parts += ["### Rows as they stand", _table(plain)]
    if changed:
        parts += [
            "### Runs with changed settings",
            "With other settings than the row has, named under it; they do not repeat the published"
            " system.",
            _table(changed),
        ]
    return "\n\n".join([*parts, _where(own)])


def _table(runs: Sequence[Measured]) -> str:
    lines = []
    for _, group in groupby(runs, key=lambda run: (run["row"], tuple(run["changes"]))):
        lines += _lines(list(group))
    return table(HEADINGS, lines)


def _lines(runs: Sequence[Measured]) -> list[list[str]]:
    """The lines of one row: a metric each, and the optimistic figures."""
    first = runs[0]
    recipe = recipe_from_row(first["row"])
    named = {name for run in runs for name in run["metrics"]}
    wanted = {*headlines(named), *recipe.printed(), *recipe.corrected}
    if recipe.network.decoder != "none":
        wanted |= {name for name in named if "decoder" in metric(name).needs}
    names = [name for name in ordered(named) if name in wanted]
    lines = [_line(name, runs, recipe) for name in names]
    lines += _best_split(names, runs, recipe)
    best = [run["best_on_test"] for run in runs if "best_on_test" in run]
    if best:
        lines.append(["Accuracy, best epoch on test (optimistic)", "", _spread("accuracy", best)])
    changes = "".join(f"<br>{code(word)}" for word in first["changes"])
    head, training = code(first["row"]) + changes, _training(runs)
    ends = [[training, _commands(runs)], *([["", ""]] * len(lines))]
    padded = [[*line, *[""] * (4 - len(line))] for line in lines]
    return [
        [head if at == 0 else "", *line, *end]
        for at, (line, end) in enumerate(zip(padded, ends, strict=False))
    ]


def _line(name: str, runs: Sequence[Measured], recipe: Recipe) -> list[str]:
    home = not any(word.startswith(("data=", "data.name=")) for word in runs[0]["changes"])
    published = recipe.printed().get(name) if home else None
    wanted = recipe.reference(name) if home else None
    values = [run["metrics"][name] for run in runs if name in run["metrics"]]
    shown = figure(name, published) if published is not None else ""
    if home and name in recipe.corrected:
        shown = f"{shown} (corrected: {figure(name, recipe.corrected[name])})".strip()
    mean = spread(values)
    assert mean is not None
    # A run with other settings, or with another judge, repeats nothing that was published.
    repeats = wanted is not None and not runs[0]["changes"]
    difference = figure(name, mean.mean - (wanted or 0.0), signed=True) if repeats else ""
    why = caveat(recipe, name)
    measured = _spread(name, values) + (f"<br>{why}" if why else "")
    return [metric(name).label, shown, measured, difference]


def _best_split(names: Sequence[str], runs: Sequence[Measured], recipe: Recipe) -> list[list[str]]:
    """The best of several random splits by the test set, of accuracy and what was published."""
    if recipe.evaluation.splits == 1 or len(runs) < 2:
        return []
    lines = []
    for name in names:
        if name == "accuracy" or name in recipe.printed():
            values = {i: run["metrics"].get(name, math.nan) for i, run in enumerate(runs)}
            label = f"{metric(name).label}, best of {len(runs)} splits (optimistic)"
            lines.append([label, "", figure(name, values[best(values, name)])])
    return lines


def _spread(name: str, values: Iterable[float]) -> str:
    found = spread(values)
    assert found is not None
    deviation = "" if found.sd is None else f" ± {metric(name).show(found.sd)}"
    unit = f" {metric(name).unit}".rstrip()
    return f"{metric(name).show(found.mean)}{deviation}{unit} (n={found.n})"


def _training(runs: Sequence[Measured]) -> str:
    """Epochs, mean seconds and speed, and on what."""
    epochs = sorted({run["epochs"] for run in runs if run["epochs"]})
    seconds, speed = (
        spread([run[key] for run in runs]) for key in ("seconds", "images_per_second")
    )
    assert seconds is not None and speed is not None
    places = dict.fromkeys(f"{run['processor']}, {run['precision']}" for run in runs)
    length = f"{'-'.join(map(str, epochs[:: max(1, len(epochs) - 1)]))} epochs"
    return (
        f"{length}, {number(seconds.mean)} s, {number(speed.mean)} images/s<br>"
        f"{'<br>'.join(places)}"
    )


def _commands(runs: Sequence[Measured]) -> str:
    """The command of the first seed, and the other seeds."""
    others = ", ".join(str(run["seed"]) for run in runs[1:])
    return code(runs[0]["command"]) + (f"<br>and seeds {others}" if others else "")


def _where(runs: Sequence[Measured]) -> str:
    """The versions behind the tables."""

    def distinct(key: str) -> str:
        return ", ".join(sorted({str(run[key]) for run in runs if run[key]}))

    return (
        f"Versions: wye {distinct('wye')}, torch {distinct('torch')}; commits {distinct('commit')}."
    )

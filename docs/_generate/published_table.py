"""Beside what a study printed: what was measured of its systems, and what became of its claims."""

from __future__ import annotations

from collections.abc import Sequence

from markup import cell, code, table

from wye.evidence.collect import Runs, one_each
from wye.evidence.findings import Finding
from wye.evidence.verdict import VERDICTS
from wye.metrics import headlines, metric, ordered, spread
from wye.network.weights import needs_weights
from wye.recipe import Recipe, recipe_from_row
from wye.recipe.measured import caveat
from wye.runs.records import Record
from wye.studies import studies

HEADINGS = ("system", "row", "metric", "published", "measured", "difference", "why")
FAR = {"%": 0.02, "dB": 1.5}
"""The difference, by unit, beyond which a reason is named."""
THREE = 3


def figure(name: str, value: float, signed: bool = False) -> str:
    """A metric with its unit."""
    known = metric(name)
    shown = known.show_difference(value) if signed else known.show(value)
    return f"{shown} {known.difference_unit if signed else known.unit}".rstrip()


def mean_and_deviation(name: str, values: Sequence[float]) -> str:
    """Mean ± standard deviation of a metric over seeds, and their number."""
    found = spread(values)
    assert found is not None
    deviation = "" if found.sd is None else f" ± {metric(name).show(found.sd)}"
    unit = f" {metric(name).unit}".rstrip()
    return f"{metric(name).show(found.mean)}{deviation}{unit} (n={found.n})"


def systems(name: str) -> list[Recipe]:
    """The rows that a study published."""
    rows = studies()[name].rows.items()
    return [recipe_from_row(f"{name}/{row}") for row, settings in rows if "source" in settings]


def counts(name: str, runs: Runs) -> tuple[int, int, int]:
    """How many systems are measured as published, with three seeds, and under `short` alone."""
    rows = [recipe.row for recipe in systems(name)]
    seeds = [len(runs.get((row, "paper"), {})) for row in rows]
    short = [row for row, full in zip(rows, seeds, strict=True) if not full]
    return (
        sum(count > 0 for count in seeds),
        sum(count >= THREE for count in seeds),
        sum((row, "short") in runs for row in short),
    )


def published_section(name: str, runs: Runs, found: Sequence[Finding]) -> str:
    """The table of a study's systems, and what stands above it.

    Args:
        runs: of all studies.
        found: of all claims.
    """
    full, three, short = counts(name, runs)
    recipes = systems(name)
    parts = [
        f"**{full} of {len(recipes)} systems are measured as published**, {three} of them with"
        f" three seeds or more; {short} more with the fewer epochs of the protocol `short` alone."
        f" {verdicts(name, found)}",
        "Measured: test images, mean ± standard deviation over n seeds. Difference: measured less"
        " published (less the corrected value where there is one), only of runs as published, by"
        " the row's own judge. Training times are of other machines and left out.",
        table(HEADINGS, [line for recipe in recipes for line in _lines(recipe, runs)]),
    ]
    return "\n\n".join(parts)


def verdicts(name: str, found: Sequence[Finding], up: str = "../") -> str:
    """A sentence with the verdicts of a study's claims."""
    own = [one for one in found if one.claim.study == name]
    by_verdict = {verdict: [one for one in own if one.verdict == verdict] for verdict in VERDICTS}
    words = {
        "supported": "supported",
        "refuted": "refuted",
        "undecided": "undecided",
        "needs weights": "without runs because they need ImageNet's weights",
        "no runs": "without runs",
    }
    parts = []
    for verdict, members in by_verdict.items():
        if not members and verdict not in ("supported", "refuted"):
            continue
        ids = ", ".join(one.claim.id for one in members)
        named = f" ({ids})" if ids and verdict in ("supported", "refuted") else ""
        parts.append(f"{len(members)} {words[verdict]}{named}")
    return f"Its {len(own)} [claims]({up}claims.md#{name}): {', '.join(parts)}."


def _lines(recipe: Recipe, runs: Runs) -> list[list[str]]:
    """The lines of a system: a metric each."""
    full, short = (runs.get((recipe.row, under), {}) for under in ("paper", "short"))
    used = list(one_each(full or short).values())
    printed = {*recipe.printed(), *recipe.corrected} - {"train_seconds"}
    names = ordered(printed) or [*headlines({name for run in used for name in run.metrics})]
    lines = [_line(name, recipe, used, bool(full)) for name in names]
    lines = lines or [["", "", "", "", _without(recipe)]]
    heads = [[str(recipe.source), code(recipe.row)], *([["", ""]] * len(lines))]
    return [[*head, *line] for head, line in zip(heads, lines, strict=False)]


def _line(name: str, recipe: Recipe, runs: Sequence[Record], full: bool) -> list[str]:
    """Of a metric: its name, published, measured, difference and why.

    Args:
        full: whether the runs are as published.
    """
    known, printed = metric(name), recipe.printed().get(name)
    published = figure(name, printed) if printed is not None else ""
    if name in recipe.corrected:
        published = f"{published} (corrected: {figure(name, recipe.corrected[name])})".strip()
    judged = "judge" in known.needs
    used = [run for run in runs if name in run.metrics]
    used = [run for run in used if not judged or run.judge == used[0].judge]
    if not used:
        return [known.label, published, "", "", _without(recipe)]
    other = judged and recipe.evaluation.judge not in ("self", used[0].judge)
    values = [run.metrics[name] for run in used]
    difference, why = "", [caveat(recipe, name)]
    if not full:
        epochs = recipe_from_row(recipe.row, "short").train.epochs
        why.append(f"`short`: {epochs} epochs instead of {recipe.train.epochs}")
    if other:
        why.append(f"judged by {code(str(used[0].judge))}")
    if full and not other and (reference := recipe.reference(name)) is not None:
        distance = sum(values) / len(values) - reference
        difference = figure(name, distance, signed=True)
        if abs(distance) > FAR.get(known.unit, abs(distance)):
            row = studies()[str(recipe.study)].rows[recipe.row.partition("/")[2]]
            why.append(cell(row.get("why", {}).get(name, "not explained yet")))
    measured = mean_and_deviation(name, values)
    return [known.label, published, measured, difference, "; ".join(filter(None, why))]


def _without(recipe: Recipe) -> str:
    return "needs ImageNet's weights" if needs_weights(recipe) else "no run"

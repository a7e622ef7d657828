"""What the page of the study `when` says before its rows: when the autoencoder helps."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from wye.evidence.gains import Accuracies, Condition, Sweep, conditions, levels_of, sweep
from wye.metrics import METRICS, metrics_of
from wye.plots.gains import gains_figure, signed, span
from wye.plots.output import inline_svg
from wye.plots.style import available
from wye.report.rows import CHANGED, Row

_DARKEST = 0.6
"""Shade of the best cell of a sweep: text can still be read on it."""


def answers(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """For each protocol on its own: panels, the table beneath them, the sweep.

    Args:
        rows: of the study, those of one protocol in succession.
    """
    found = []
    for standing, alike in groupby(rows, key=lambda row: row.standing):
        if standing == CHANGED:
            continue
        members = list(alike)
        held = conditions(accuracies(members))
        gains = [gain for of in held for each in of.gains.values() for gain in each.values()]
        arms = [arm for arm in _arms(held) if any(arm in of.gains for of in held)]
        labels = sorted(
            {n for of in held for n in (*of.base, *(k for g in of.gains.values() for k in g))}
        )
        axis = span(gains)
        found.append(
            {
                "standing": standing,
                "protocol": members[0].protocol,
                "arms": arms,
                "panels": [
                    inline_svg(gains_figure({of.title: of.gains}, arms, labels, axis))
                    for of in held
                    if of.gains and available()
                ],
                "compared": bool(gains),
                "sentence": sentence(held),
                "lines": [line for of in held for line in _lines(of, arms)],
                "sweep": _heat(sweep(accuracies(members))),
            }
        )
    return found


def accuracies(rows: Iterable[Row]) -> Iterator[Accuracies]:
    """What was measured of each row that a grid made, runs that were cut short aside."""
    for row in rows:
        accuracy = {
            run.recipe.seed: found["accuracy"]
            for run in row.finished
            if "accuracy" in (found := metrics_of(run.result or {}))
            and math.isfinite(found["accuracy"])
        }
        if row.recipe.factors and accuracy and not row.truncated:
            yield row.recipe.factors, accuracy


def sentence(held: Sequence[Condition]) -> str:
    """How many comparisons came out which way, and how many would by chance."""
    signs = [gain.sign for of in held for each in of.gains.values() for gain in each.values()]
    single = sum(
        gain.low is None for of in held for each in of.gains.values() for gain in each.values()
    )
    tested = len(signs) - single
    if not tested:
        return (
            f"{len(signs)} comparison{'s' if len(signs) != 1 else ''} of a single seed each, which"
            " decide nothing."
        )
    text = (
        f"Of {tested} comparison{'s' if tested != 1 else ''} of several seeds the interval lies"
        f" above zero in {signs.count(1)} and below in {signs.count(-1)}; by chance alone about"
        f" {0.05 * tested:.1f} of them would leave out zero."
    )
    return text + (f" {single} more have a single seed." if single else "")


def _arms(held: Sequence[Condition]) -> list[str]:
    known = levels_of("arm")
    return list(dict.fromkeys([*known, *(arm for of in held for arm in of.gains)]))


def _lines(of: Condition, arms: Sequence[str]) -> list[dict[str, Any]]:
    """The table's lines of a condition, one for each number of labels."""
    counts = sorted({*of.base, *(n for gains in of.gains.values() for n in gains)})
    return [
        {
            "corruption": of.corruption,
            "balance": of.balance,
            "labels": count,
            "base": of.base.get(count),
            "gains": [of.gains.get(arm, {}).get(count) for arm in arms],
            "first": count == counts[0],
        }
        for count in counts
    ]


def _heat(of: Sweep | None) -> dict[str, Any] | None:
    """The sweep's lines with the shade of each cell, between the worst and the best."""
    if of is None:
        return None
    means = [cell.mean for cell in of.cells.values()]
    low, high = min(means), max(means)
    show = METRICS["accuracy"].show

    def shown(alpha: str, beta: str) -> dict[str, Any] | None:
        cell = of.cells.get((alpha, beta))
        if cell is None:
            return None
        share = (cell.mean - low) / (high - low) if high > low else 0.0
        sd = show(cell.sd) if cell.sd is not None else ""
        return {"mean": show(cell.mean), "sd": sd, "n": cell.n, "heat": _DARKEST * share}

    lines = [(alpha, [shown(alpha, beta) for beta in of.betas]) for alpha in of.alphas]
    return {"betas": of.betas, "lines": lines}


FILTERS = {"points": signed}

"""Runs put together: several seeds of one recipe are one row of the report."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from wye.recipe import Recipe, recipe_from_row
from wye.recipe.identity import flat, protocol_of
from wye.report.rows import CHANGED, OWN, PAPER, SHORT, TRUNCATED, Row
from wye.runs.run import Run
from wye.studies import row_names, studies

_STANDINGS = (PAPER, SHORT, CHANGED, OWN)
_MOST_SETTINGS = 4
"""More settings than these aren't shown beside a row's name."""


def group(runs: Sequence[Run]) -> list[Row]:
    """Runs of the same recipe put together; rows in the order of studies, protocols and sources."""
    by_recipe: dict[str, list[Run]] = {}
    standings: dict[str, str] = {}
    for run in runs:
        standing = _standing(run)
        identity = _identity(run, standing)
        by_recipe.setdefault(identity, []).append(run)
        standings[identity] = standing
    rows: list[Row] = []
    for identity, members in by_recipe.items():
        first: dict[int, Run] = {}
        for run in sorted(members, key=lambda run: (run.recipe.seed, run.result is None)):
            first.setdefault(run.recipe.seed, run)
        seeds = [run.recipe.seed for run in members]
        repeated = tuple(sorted({seed for seed in seeds if seeds.count(seed) > 1}))
        rows.append(Row(tuple(first.values()), standings[identity], repeated=repeated))
    order = {name: index for index, name in enumerate(row_names())}
    return _anchored(_told_apart(sorted(rows, key=lambda row: _place(row, order))))


def study_names() -> list[str]:
    """The studies in the order of their sources; those of our own last."""
    known = studies()
    return sorted(
        known,
        key=lambda name: (_natural(source.id if (source := known[name].source) else None), name),
    )


def _standing(run: Run) -> str:
    if run.recipe.row not in row_names() or run.inspection is not None:
        return OWN
    return protocol_of(run.recipe) or CHANGED


def _identity(run: Run, standing: str) -> str:
    """What was set but for the seed: runs that agree in it are repetitions of each other.

    Runs of a study's row agree whatever their precision, as in all that is said of the row.
    """
    truncated = (run.result or {}).get("status") == TRUNCATED
    settings = {} if standing in (PAPER, SHORT) else flat(run.recipe)
    return json.dumps([run.recipe.row, standing, settings, truncated], sort_keys=True)


def _place(row: Row, order: Mapping[str, int]) -> tuple[int, int, list[tuple[int, str]], int, str]:
    """Where a row stands: by study, standing, source and place in its file; of no study last."""
    names = study_names()
    study = names.index(row.study) if row.study else len(names)
    name = row.recipe.row
    return (
        study,
        _STANDINGS.index(row.standing),
        _natural(row.recipe.source),
        order.get(name, 0),
        name,
    )


def _natural(source: str | None) -> list[tuple[int, str]]:
    """A key that puts S0-9 before S0-10 and what has no source last."""
    parts = re.findall(r"[0-9]+|[^0-9]+", source) if source else ["\U0010ffff"]
    return [(int(part), "") if part.isdigit() else (0, part) for part in parts]


def _told_apart(rows: Sequence[Row]) -> list[Row]:
    """The rows with the settings that tell them from their like.

    Those are what was changed in a study's row, where that wasn't typed (from Python, say, or by a
    later form of the study file), and else what rows that would be named alike differ in.
    """
    alike: dict[tuple[str, ...], list[dict[str, str]]] = {}
    for row in rows:
        alike.setdefault((row.recipe.row, row.standing, *row.typed), []).append(flat(row.recipe))
    told = []
    for row in rows:
        own = flat(row.recipe)
        others = alike[(row.recipe.row, row.standing, *row.typed)]
        if row.standing == CHANGED and not row.typed:
            others = [*others, _in_study(row.recipe)]
        apart = [f"{k}={v}" for k, v in own.items() if any(o.get(k) != v for o in others)]
        told.append(replace(row, apart=tuple(apart[:_MOST_SETTINGS])))
    return told


def _in_study(recipe: Recipe) -> dict[str, str]:
    """The settings of the row as its study file has it; the run's own precision is no change."""
    precision = {"train.precision": recipe.train.precision}
    return {**flat(recipe_from_row(recipe.row)), **precision}


def _anchored(rows: Sequence[Row]) -> list[Row]:
    """The rows with distinct names for their sections, made of the letters of their names."""
    anchored, taken = [], set[str]()
    for row in rows:
        stem = re.sub(r"[^a-z0-9]+", "-", row.recipe.row.lower()).strip("-") or "unnamed"
        if row.standing == SHORT:
            stem += "-short"
        anchor, count = f"row-{stem}", 1
        while anchor in taken:
            count += 1
            anchor = f"row-{stem}-{count}"
        taken.add(anchor)
        anchored.append(replace(row, anchor=anchor))
    return anchored

"""Complete runs, put to the rows and protocols that they are runs of."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from wye.recipe import Recipe, recipe_from_row
from wye.recipe.resolve import protocols
from wye.recipe.schema import SETTINGS
from wye.runs.run import Run, complete_runs
from wye.studies import row_names

Repeats = dict[int, Run]
"""Runs of one recipe by their seed."""
Runs = dict[tuple[str, str], Repeats]
"""Row and protocol to the runs that are repeats of it."""


def runs_by_row(root: Path) -> Runs:
    """The complete runs under a folder by row and protocol, one a seed; see `by_row`."""
    return by_row(complete_runs(root))


def by_row(runs: Iterable[Run]) -> Runs:
    """Complete runs by row and protocol, one a seed.

    Whether a run is one of a row under a protocol is told by its settings, never by a label: a run
    with other settings or other data measures something else. Of several runs of one seed the first
    counts, so that no result has a say in the choice.
    """
    found: Runs = {}
    for run in runs:
        for protocol in protocols_of(run.recipe):
            found.setdefault((run.recipe.row, protocol), {}).setdefault(run.recipe.seed, run)
    return {key: dict(sorted(repeats.items())) for key, repeats in found.items()}


def protocols_of(recipe: Recipe) -> tuple[str, ...]:
    """The protocols under which a recipe is that of its row, but for the seed and the precision.

    Both, where the row has so few epochs that the short protocol changes nothing.
    """
    if recipe.row not in row_names():
        return ()
    return tuple(p for p in protocols(recipe.row) if repeats(recipe, _row_recipe(recipe.row, p)))


def protocol_of(recipe: Recipe) -> str | None:
    """The first of them; None if the settings are the row's under none."""
    return next(iter(protocols_of(recipe)), None)


def repeats(one: Recipe, other: Recipe) -> bool:
    """Whether two recipes do the same but for the seed and the precision."""
    own = set(SETTINGS) - {"train", "seed"}
    train = one.train.model_copy(update={"precision": other.train.precision})
    return train == other.train and all(getattr(one, key) == getattr(other, key) for key in own)


@cache
def _row_recipe(row: str, protocol: str) -> Recipe:
    return recipe_from_row(row, protocol)

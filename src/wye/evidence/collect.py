"""The runs that are here: complete ones, put to the rows and protocols that they are runs of."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from wye.errors import UsageError
from wye.metrics import figures
from wye.recipe import Recipe, recipe_from_row
from wye.recipe.overrides import validated
from wye.recipe.resolve import protocols
from wye.recipe.schema import SETTINGS
from wye.studies import row_names
from wye.studies.load import yaml_loader

_SEED = re.compile(r"^seed: (\d+)$", re.MULTILINE)

logger = logging.getLogger("wye")


@dataclass(frozen=True)
class CompleteRun:
    """A run that was carried out to its end.

    `wye.runs.Run` says more of a folder and needs torch, which `wye list` has no time for.
    """

    path: Path
    recipe: Recipe
    result: dict[str, Any]

    @property
    def figures(self) -> dict[str, float]:
        """Its metrics of one number, by name."""
        return figures(self.result)


Repeats = dict[int, CompleteRun]
"""Runs of one recipe by their seed."""
Runs = dict[tuple[str, str], Repeats]
"""Row and protocol to the runs that are repeats of it."""


def complete_runs(root: Path) -> Iterator[CompleteRun]:
    """The complete runs at or under a folder, in the order of their paths.

    A damaged folder is left out with a warning; one whose settings are no recipe any more, or that
    was ended by a number of steps, without.
    """
    known: dict[str, Recipe] = {}
    for path in sorted(root.glob("**/result.json")):
        try:
            result = json.loads(path.read_text())
            figures(result)
            if result["status"] != "complete":
                continue
            recipe = _recipe((path.parent / "recipe.yaml").read_text(), known)
            yield CompleteRun(path.parent, recipe, result)
        except UsageError:
            continue
        except (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError):
            logger.warning("%s is damaged; it is left out", path.parent)


def _recipe(text: str, known: dict[str, Recipe]) -> Recipe:
    """The recipe of a file's text; texts that differ in the seed alone are read once.

    Reading takes a millisecond, and there are hundreds of runs.
    """
    seeds = _SEED.findall(text)
    if len(seeds) != 1:
        return validated(yaml.load(text, Loader=yaml_loader()))
    common = _SEED.sub("seed: 0", text)
    if common not in known:
        known[common] = validated(yaml.load(common, Loader=yaml_loader()))
    return known[common].model_copy(update={"seed": int(seeds[0])})


def runs_by_row(root: Path) -> Runs:
    """The complete runs under a folder by row and protocol, one a seed; see `by_row`."""
    return by_row(complete_runs(root))


def by_row(runs: Iterable[CompleteRun]) -> Runs:
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

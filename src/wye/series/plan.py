"""Which runs a series has, where, and in what order: each after those that it needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wye.errors import UsageError, WyeError
from wye.recipe.schema import Recipe
from wye.runs.folder import RUNS, default_folder
from wye.runs.needs import needed_recipes, place_of


@dataclass(frozen=True)
class PlannedRun:
    """One run of a series.

    Attributes:
        recipe: what to do.
        folder: where.
        needs: folders of the planned runs that must be there first.
        fault: why it cannot be carried out; empty if nothing speaks against it.
    """

    recipe: Recipe
    folder: Path
    needs: tuple[Path, ...] = ()
    fault: str = ""

    def __str__(self) -> str:
        return f"{self.recipe.row} seed {self.recipe.seed}"


def plan(
    recipes: Iterable[Recipe], root: Path = RUNS, changed: Mapping[str, Any] | None = None
) -> list[PlannedRun]:
    """The runs of these recipes and of what they need, each once and behind those it needs.

    A run that is needed and isn't among the recipes is planned beside them; the same run is never
    planned twice, so no two workers train it at once. A run whose needs cannot be planned has a
    `fault`; the others are not touched by it.

    Args:
        recipes: each is one run, in its usual folder.
        root: the folder of runs.
        changed: nested settings that were changed in the recipes, and shall be in what they need: a
            row that builds on another one of the series then builds on that very run.
    """
    asked = {default_folder(recipe, root): recipe for recipe in recipes}
    planning = _Planning(root, changed or {}, asked)
    for folder, recipe in asked.items():
        planning.add(recipe, folder)
    return list(planning.planned.values())


class _Planning:
    """A plan that grows.

    Attributes:
        planned: the runs by their folders, in order.
        places: recipes by the folders that shall hold them.
    """

    def __init__(
        self, root: Path, changed: Mapping[str, Any], asked: Mapping[Path, Recipe]
    ) -> None:
        self.root = root
        self.changed = changed
        self.planned: dict[Path, PlannedRun] = {}
        self.places = dict(asked)

    def add(self, recipe: Recipe, folder: Path, above: tuple[Path, ...] = ()) -> None:
        """Plan a run behind those it needs; `above` has the folders of the runs that need it."""
        if folder in self.planned:
            return
        if folder in above:
            raise UsageError(f"{recipe.row} needs itself: {' > '.join(map(str, (*above, folder)))}")
        needs: list[Path] = []
        try:
            for needed in needed_recipes(recipe, self.changed):
                place = place_of(needed, self.root, self.places)
                self.places.setdefault(place, needed)
                self.add(needed, place, (*above, folder))
                needs.append(place)
        except WyeError as error:
            if above:
                raise
            self.planned[folder] = PlannedRun(recipe, folder, fault=str(error))
            return
        self.planned[folder] = PlannedRun(recipe, folder, tuple(needs))

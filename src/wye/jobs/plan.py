"""Which runs a command asks for, where they go, and in what order: each after its dependencies."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wye.errors import UsageError, WyeError
from wye.recipe.resolve import resolve
from wye.recipe.schema import Recipe
from wye.runs.dependencies import place_of, recipes_before
from wye.runs.folder import RUNS, default_folder
from wye.runs.own import resolve_own
from wye.studies.load import studies


@dataclass(frozen=True)
class Request:
    """What the words of a command ask for.

    Attributes:
        recipes: of every row, seed 0.
        targets: by row, the word that `resolve` makes it of.
        refused: by row of a study, why the settings don't suit it while they suit others.
    """

    recipes: tuple[Recipe, ...]
    targets: dict[str, str]
    refused: dict[str, str]

    def repeated(self, seeds: int) -> list[Recipe]:
        """The recipes with the seeds 0 to `seeds` - 1: all of seed 0, then all of seed 1 and so on.

        In this order a study that is stopped early leaves whole sets to compare.
        """
        return [
            recipe.model_copy(update={"seed": seed})
            for seed in range(seeds)
            for recipe in self.recipes
        ]


def requested(
    targets: Iterable[str], overrides: dict[str, Any], protocol: str = "paper"
) -> Request:
    """The rows that the words of a command stand for, each once.

    Args:
        targets: studies, which stand for all of their rows, and whatever `resolve` takes.
        overrides: nested settings, for every row.
        protocol: `paper` or `short`.

    Raises:
        UsageError: a target is nothing known, or the settings suit no row at all.
    """
    if "seed" in overrides:
        raise UsageError("seed=…: the seeds of a study count from 0, as many as --seeds says")
    recipes: dict[str, Recipe] = {}
    words: dict[str, str] = {}
    refused: dict[str, WyeError] = {}
    for target in targets:
        known = studies().get(target)
        if known is None:
            recipe = resolve_own(target, overrides, protocol)
            recipes[recipe.row], words[recipe.row] = recipe, target
            continue
        for row in (f"{target}/{name}" for name in known.rows):
            try:
                recipes[row], words[row] = resolve(row, overrides, protocol), row
            except WyeError as error:
                refused[row] = error
    if refused and not recipes:
        raise next(iter(refused.values()))
    return Request(
        tuple(recipes.values()), words, {row: str(error) for row, error in refused.items()}
    )


@contextmanager
def each_message_once() -> Iterator[None]:
    """Let what is logged for every row be logged once."""
    logged: set[str] = set()

    def new(record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if text in logged:
            return False
        logged.add(text)
        return True

    logger = logging.getLogger("wye")
    logger.addFilter(new)
    try:
        yield
    finally:
        logger.removeFilter(new)


@dataclass(frozen=True)
class PlannedRun:
    """One run of a study.

    Attributes:
        recipe: what to run.
        folder: where.
        dependencies: folders of the planned runs that must be finished first.
        fault: why it cannot be run; empty if nothing speaks against it.
    """

    recipe: Recipe
    folder: Path
    dependencies: tuple[Path, ...] = ()
    fault: str = ""

    def __str__(self) -> str:
        return f"{self.recipe.row} seed {self.recipe.seed}"


def plan(
    recipes: Iterable[Recipe], root: Path = RUNS, changed: Mapping[str, Any] | None = None
) -> list[PlannedRun]:
    """The runs of these recipes and of their dependencies, each once and behind its dependencies.

    A dependency that isn't among the recipes is planned beside them; the same run is never planned
    twice, so no two workers train it at once. A run whose dependencies cannot be planned has a
    `fault`; the others are not touched by it.

    Args:
        recipes: each is one run, in its usual folder.
        root: the folder of runs.
        changed: nested settings that were changed in the recipes, and shall be in their
            dependencies: a row that builds on another one of the study then builds on that very
            run.

    Raises:
        UsageError: a run depends on itself.
    """
    requested = {default_folder(recipe, root): recipe for recipe in recipes}
    recipe_in = dict(requested)
    planned: dict[Path, PlannedRun] = {}

    def add(recipe: Recipe, folder: Path, dependents: tuple[Path, ...] = ()) -> None:
        if folder in planned:
            return
        if folder in dependents:
            circle = " > ".join(map(str, (*dependents, folder)))
            raise UsageError(f"{recipe.row} depends on itself: {circle}")
        dependencies: list[Path] = []
        try:
            for needed in recipes_before(recipe, changed or {}):
                path = place_of(needed, root, recipe_in)
                recipe_in.setdefault(path, needed)
                add(needed, path, (*dependents, folder))
                dependencies.append(path)
        except WyeError as error:
            if dependents:
                raise
            planned[folder] = PlannedRun(recipe, folder, fault=str(error))
        else:
            planned[folder] = PlannedRun(recipe, folder, tuple(dependencies))

    for folder, recipe in requested.items():
        add(recipe, folder)
    return list(planned.values())

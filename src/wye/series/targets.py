"""The recipes that the words of a command stand for."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from wye.errors import UsageError, WyeError
from wye.recipe.resolve import resolve
from wye.recipe.schema import Recipe
from wye.studies.load import studies


@dataclass(frozen=True)
class Refused:
    """A row of a study that these settings don't suit, and why."""

    row: str
    message: str


@dataclass(frozen=True)
class Asked:
    """What a command asks for.

    Attributes:
        recipes: of every row, seed 0.
        targets: by row, the word that `resolve` makes it of.
        refused: rows of studies that the settings don't suit while they suit others.
    """

    recipes: tuple[Recipe, ...]
    targets: dict[str, str]
    refused: tuple[Refused, ...]

    def repeated(self, seeds: int) -> list[Recipe]:
        """The recipes with the seeds 0 to `seeds` - 1: all of seed 0, then all of seed 1 and so on.

        In this order a series that is stopped early leaves whole sets to compare.
        """
        return [
            recipe.model_copy(update={"seed": seed})
            for seed in range(seeds)
            for recipe in self.recipes
        ]


def asked_by(targets: Iterable[str], overrides: dict[str, Any], protocol: str = "paper") -> Asked:
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
            recipe = resolve(target, overrides, protocol)
            recipes[recipe.row], words[recipe.row] = recipe, target
            continue
        for row in (f"{target}/{name}" for name in known.rows):
            try:
                recipes[row], words[row] = resolve(row, overrides, protocol), row
            except WyeError as error:
                refused[row] = error
    if refused and not recipes:
        raise next(iter(refused.values()))
    told = tuple(Refused(row, str(error)) for row, error in refused.items())
    return Asked(tuple(recipes.values()), words, told)


@contextmanager
def each_said_once() -> Iterator[None]:
    """Let what is said of every row be said once."""
    said: set[str] = set()

    def new(record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if text in said:
            return False
        said.add(text)
        return True

    logger = logging.getLogger("wye")
    logger.addFilter(new)
    try:
        yield
    finally:
        logger.removeFilter(new)

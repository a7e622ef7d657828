"""How long runs will take: as runs of their recipe did, else by their multiply-adds."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, cached_property
from statistics import median

from wye.data.catalog import DATASETS
from wye.data.subset import class_names
from wye.jobs.local import multiply_adds
from wye.recipe.identity import digest
from wye.recipe.resolve import recipe_from_row
from wye.recipe.schema import DataSettings, Recipe
from wye.runs.records import Record

RATE = 5e9
"""Multiply-adds a second where no run tells."""


class Costs:
    """Expected seconds of runs, from records of others; those of runs that are here come first.

    What was measured elsewhere is scaled by how much longer recipes took here that both have.
    """

    def __init__(self, found: Iterable[Record]) -> None:
        self._found: dict[str, list[Record]] = {}
        for record in found:
            if record.seconds:
                self._found.setdefault(record.digest, []).append(record)

    def seconds(self, recipe: Recipe) -> float:
        """Expected seconds of a row's training."""
        known = self._found.get(digest(recipe))
        return self._usual(known) if known else work(recipe.row, recipe.protocol) / self._rate

    def _usual(self, known: list[Record]) -> float:
        here, elsewhere = _by_place(known)
        return median(here) if here else self._slower * median(elsewhere)

    @cached_property
    def _rate(self) -> float:
        """Multiply-adds a second, the median over recipes."""
        rates = [
            work(known[0].row, known[0].protocol) / self._usual(known)
            for known in self._found.values()
            if known[0].protocol
        ]
        return median(rates or [RATE])

    @cached_property
    def _slower(self) -> float:
        """How many times as long runs take here, the median over recipes; 1 where none tells."""
        places = map(_by_place, self._found.values())
        both = [median(here) / median(others) for here, others in places if here and others]
        return median(both or [1.0])


def _by_place(known: list[Record]) -> tuple[list[float], list[float]]:
    """Seconds of runs that are here, and of others."""
    here = [one.seconds for one in known if one.run is not None and one.seconds]
    return here, [one.seconds for one in known if one.run is None and one.seconds]


@cache
def work(row: str, protocol: str) -> float:
    """Multiply-adds of a row's training, forward and backward."""
    recipe = recipe_from_row(row, protocol)
    return 3.0 * multiply_adds(recipe) * images(recipe.data) * recipe.train.epochs


def images(settings: DataSettings) -> float:
    """About how many images an epoch has, of a data set that Wye knows by name."""
    source = DATASETS[settings.name]
    each = source.sizes[0] / len(source.classes)
    if settings.per_class:
        each = min(each, settings.per_class)
    classes = class_names(source.classes, settings.classes)
    kept = sum(min(each, settings.limit.get(name, each)) for name in classes)
    return kept * (1 - settings.validation) * max(1, len(settings.copies))

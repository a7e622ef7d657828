"""Rows that are the levels of some factors, each with each: the design of an experiment."""

from __future__ import annotations

from itertools import product
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from wye.studies.merging import merge


class Grid(BaseModel):
    """A full factorial design: one row for each combination of levels.

    A row is named by its levels, joined by dashes in the order of the factors.

    Attributes:
        like: the row under all of them; none is the study's `shared` alone.
        factors: factor to level to what the level sets.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    like: str | None = None
    factors: dict[str, dict[str, dict[str, Any]]] = Field(min_length=1)

    def rows(self) -> dict[str, dict[str, Any]]:
        """Row name to settings, with the row's levels as `factors`."""
        rows: dict[str, dict[str, Any]] = {}
        for levels in product(*(factor.items() for factor in self.factors.values())):
            settings: dict[str, Any] = {"like": self.like} if self.like else {}
            for _, level in levels:
                settings = merge(settings, level)
            names = [name for name, _ in levels]
            settings["factors"] = dict(zip(self.factors, names, strict=True))
            rows["-".join(names)] = settings
        return rows

"""What benchmarks find: repeated figures, goals and tables, the same for JSON and for people."""

from __future__ import annotations

import statistics
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Self

from pydantic import BaseModel, ConfigDict

from wye.metrics import number


def shown(value: float, unit: str = "") -> str:
    """A figure with three or four digits that count, and its unit."""
    size = abs(value)
    decimals = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 0.1 else 4
    return f"{number(value, decimals)} {unit}".rstrip()


def percent(share: float) -> str:
    """A share, as `12.3 %`."""
    return f"{number(100 * share, 1)} %"


class Finding(BaseModel):
    """Base of everything found: it is what it was when it was measured."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Repeats(Finding):
    """A figure that was measured `n` times."""

    median: float
    least: float
    greatest: float
    n: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Self:
        """The figure of single measurements, at least one."""
        known = list(values)
        middle = statistics.median(known)
        return cls(median=middle, least=min(known), greatest=max(known), n=len(known))

    def __str__(self) -> str:
        """`1,024 (980 to 1,100)`: the median, and the least and the greatest where there are."""
        if self.n == 1:
            return shown(self.median)
        return f"{shown(self.median)} ({shown(self.least)} to {shown(self.greatest)})"


class Goal(Finding):
    """A figure and the bound that it was to reach.

    Attributes:
        wanted: the bound.
        at_most: whether the figure was to stay under the bound, not above it.
        tolerated: a looser bound that is still accepted; none if not given.
    """

    what: str
    measured: float
    wanted: float
    unit: str = ""
    at_most: bool = False
    tolerated: float | None = None

    @property
    def met(self) -> bool:
        """Whether the bound was reached."""
        return self._within(self.wanted)

    @property
    def verdict(self) -> str:
        """`met`, `missed`, or which of two bounds was reached."""
        if self.met:
            return "met"
        if self.tolerated is not None and self._within(self.tolerated):
            return f"missed; within {self._figure(self.tolerated)}"
        return "missed"

    def cells(self) -> tuple[str, str, str, str]:
        """What, wanted, measured, verdict."""
        sign = "≤" if self.at_most else "≥"
        wanted = f"{sign} {self._figure(self.wanted)}"
        return self.what, wanted, self._figure(self.measured), self.verdict

    def _within(self, bound: float) -> bool:
        return self.measured <= bound if self.at_most else self.measured >= bound

    def _figure(self, value: float) -> str:
        return f"{number(100 * value, 2)} %" if self.unit == "%" else shown(value, self.unit)


class Table:
    """A table of a page or of the terminal.

    Args:
        headings: of the columns; all but the first hold figures.
        rows: the cells, as text.
        title: what it shows; none where the section says so.
    """

    def __init__(
        self, headings: Sequence[str], rows: Iterable[Sequence[str]], title: str = ""
    ) -> None:
        self.headings = tuple(headings)
        self.rows = [tuple(row) for row in rows]
        self.title = title


class Result(Finding, ABC):
    """Base of what one benchmark found.

    Attributes:
        missing: what this machine or version lacks for a part of it, a line each.
    """

    missing: tuple[str, ...] = ()

    def goals(self) -> list[Goal]:
        """Its figures that were to reach a bound, on this kind of device."""
        return []

    def remarks(self) -> list[str]:
        """What a reader of the tables must know, a paragraph each."""
        return []

    @abstractmethod
    def tables(self) -> list[Table]:
        """All of its figures."""

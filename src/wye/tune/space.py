"""What a search may choose: `loss.alpha=0.1..10:log train.epochs=2..8 train.optimizer=sgd,adam`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from wye.errors import UsageError
from wye.wording import shown

NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
RANGE = re.compile(rf"({NUMBER})\.\.({NUMBER})(:log)?")
DIGITS = 4
"""Significant ones of a chosen number: more are not worth writing down."""


@dataclass(frozen=True)
class Space:
    """What is searched, and what is set for all trials.

    Attributes:
        ranges: what each setting may be, by key.
        fixed: the other `key=value` words.
    """

    ranges: Mapping[str, BaseDistribution]
    fixed: tuple[str, ...] = field(default=())

    def words(self, values: Mapping[str, object]) -> list[str]:
        """The words of a command line for a choice of values."""
        return [*self.fixed, *(f"{key}={_written(value)}" for key, value in values.items())]

    def corners(self) -> Iterator[list[str]]:
        """Choices that between them have every end and every alternative."""
        sides = {key: _ends(of) for key, of in self.ranges.items()}
        for at in range(max(map(len, sides.values()))):
            yield self.words({key: ends[min(at, len(ends) - 1)] for key, ends in sides.items()})


def read_space(words: Iterable[str]) -> Space:
    """The space that `key=value` words describe.

    `LOW..HIGH` is a range, of whole numbers where both ends are; `:log` behind it spreads the
    choices evenly over the orders of magnitude. Alternatives stand between commas. Any other value
    is the same in every trial.

    Raises:
        UsageError: a range is empty or cannot be logarithmic, a key is there twice, or there is
            nothing to search.
    """
    ranges: dict[str, BaseDistribution] = {}
    fixed = []
    for word in words:
        key, _, written = word.partition("=")
        if key in ranges:
            raise UsageError(f"{key} is there twice")
        if found := RANGE.fullmatch(written):
            ranges[key] = _range(word, *found.groups())
        elif len(choices := _alternatives(written)) > 1:
            ranges[key] = CategoricalDistribution(choices)
        else:
            fixed.append(word)
    if not ranges:
        raise UsageError(
            "nothing to search: give a range or alternatives, for instance loss.beta=0.1..10:log"
            " or train.optimizer=sgd,adam"
        )
    return Space(ranges, tuple(fixed))


def _range(word: str, low: str, high: str, log: str | None) -> BaseDistribution:
    first, last = float(low), float(high)
    if not math.isfinite(last - first) or first >= last:
        raise UsageError(f"{shown(word)}: the range should rise, as in 0.1..10")
    if log and first <= 0:
        raise UsageError(f"{shown(word)}: a logarithmic range begins above 0")
    if re.fullmatch(r"[+-]?\d+", low) and re.fullmatch(r"[+-]?\d+", high):
        return IntDistribution(int(low), int(high), log=bool(log))
    return FloatDistribution(first, last, log=bool(log))


def _alternatives(written: str) -> list[str]:
    """What stands between commas, those within brackets or quotes aside."""
    parts, depth = [""], 0
    for letter in written:
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    found = [part.strip() for part in parts]
    return list(dict.fromkeys(found)) if all(found) else [written]


def _ends(of: BaseDistribution) -> list[object]:
    if isinstance(of, CategoricalDistribution):
        return list(of.choices)
    assert isinstance(of, FloatDistribution | IntDistribution)
    return [of.low, of.high]


def _written(value: object) -> str:
    return f"{value:.{DIGITS}g}" if isinstance(value, float) else str(value)

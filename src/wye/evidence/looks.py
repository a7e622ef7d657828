"""Looks at growing evidence: intervals and tests that stay valid however often one looks.

Who adds a seed and looks again until an interval lies clear of zero finds, in the end, an effect of
nothing. So the 5 % of false verdicts are spent over a stated number of looks: the first at three
seeds, as many as a study is planned with, and one at each further seed up to the twentieth. Three
fifths are spent on the first look, the rest on the seventeen others, which share one level of their
own. What is found at a look stays found: an interval is what is common to those of all looks so
far.

`LATER` and `GROWTH` are those of normal differences, whose t statistics at several numbers of seeds
depend on nothing unknown: of 4 million simulated series without an effect, 2 % fall below a p of
0.003 at some look from the fourth seed on, and a fraction of 0.02 (p / 0.003)^0.88 at most below a
smaller one. `python -m benchmarks.looks` simulates them anew.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from wye.evidence.floor import Floor
from wye.evidence.paired import LEVEL, NO_FLOOR, POWER, Interval, decides, t_interval, t_test

FIRST, LAST = 3, 20
"""Seeds at the first look and at the last; further seeds have no say."""
ALPHA = round(1 - LEVEL, 12)
FIRST_PART = 0.6
"""Of the probability of a false verdict, spent at the first look."""
LATER = 0.003
"""Level of the t test at each later look at which they bring forth the rest of ALPHA together."""
GROWTH = 0.88
"""Exponent by which that rest grows with the level."""


def level(count: int, alpha: float = ALPHA) -> float:
    """Level of the t test at the look at `count` seeds, for `alpha` over all looks."""
    if count == FIRST:
        return FIRST_PART * alpha
    return LATER * math.pow(alpha / ALPHA, 1 / GROWTH)


def allowing(p: float, count: int) -> float:
    """The p of a t test at the look at `count` seeds, made to allow for all looks.

    The inverse of `level`: the probability that any look gives so small a one is at most itself.
    """
    if count == FIRST:
        return min(1.0, p / FIRST_PART)
    return min(1.0, ALPHA * math.pow(p / LATER, GROWTH))


def interval(
    values: Sequence[float],
    alpha: float = ALPHA,
    overlap: float = 0.0,
    floor: Floor = NO_FLOOR,
) -> Interval | None:
    """The interval of a mean that all looks at its values leave, in their order.

    It leaves out the mean at any look with a probability of at most `alpha`. None before the first
    look, where the values don't vary, and where two looks contradict each other.
    """
    found = [
        ends
        for count in _looks(values)
        if (ends := t_interval(values[:count], 1 - level(count, alpha), overlap, floor))
    ]
    low = max((ends[0] for ends in found), default=0.0)
    high = min((ends[1] for ends in found), default=0.0)
    return (low, high) if low < high else None


def p_value(
    values: Sequence[float], expected: float, overlap: float = 0.0, floor: Floor = NO_FLOOR
) -> float | None:
    """Two-sided p that the mean is `expected`, the smallest of all looks, allowing for them.

    None before the first look, 1 where the values don't vary.
    """
    each = (
        allowing(t_test(values[:count], expected, overlap, floor), count)
        for count in _looks(values)
    )
    return min(each, default=None)


def seeds_needed(
    seen: int, distances: Sequence[float], sd: float, overlap: float, floor: Floor
) -> int:
    """The number of seeds, more than `seen`, at which a look decides with probability 0.8.

    Args:
        distances, sd, overlap, floor: as in `wye.evidence.paired.runs_needed`.

    Returns:
        `LAST` + 1 where no look does.
    """
    for count in range(max(FIRST, seen + 1), LAST + 1):
        if decides(count, distances, sd, overlap, floor, level(count)) >= POWER:
            return count
    return LAST + 1


def _looks(values: Sequence[float]) -> range:
    return range(FIRST, min(len(values), LAST) + 1)

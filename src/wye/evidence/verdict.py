"""From figures by seed to a verdict on a claim, and the correction for many claims at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from wye.evidence.paired import LEVEL, Interval, runs_needed, t_interval, t_test
from wye.metrics import spread

ALPHA = round(1 - LEVEL, 12)

Verdict = Literal["supported", "refuted", "undecided", "not run"]


@dataclass(frozen=True)
class Region:
    """Where an effect lies if a claim holds.

    Attributes:
        ends: low and high; an end may be infinite.
        closed: whether a finite end belongs to it.
    """

    ends: Interval
    closed: bool = True

    def holds(self, effect: float) -> bool:
        """Whether the effect lies in it."""
        low, high = self.ends
        return low <= effect <= high if self.closed else low < effect < high

    def distances(self, effect: float) -> list[float]:
        """How far the effect lies from the ends that decide: inside all, outside the nearest."""
        each = [abs(effect - end) for end in self.ends if math.isfinite(end)]
        return each if self.holds(effect) else [min(each)]

    def nearest(self, effect: float) -> float:
        """The finite end that is nearest to the effect."""
        finite = [end for end in self.ends if math.isfinite(end)]
        return min(finite, key=lambda end: abs(effect - end))


@dataclass(frozen=True)
class Judgement:
    """An effect, and whether it lies in the region that a claim names.

    Attributes:
        n: seeds.
        effect: mean over them; None without any.
        interval: 95 % t interval; None of fewer than two.
        p: two-sided p of the t test of the end of the region that is nearest to the effect: below
            0.05 exactly where the interval lies on one side of it. 0 where nothing varies.
        inside: whether the effect lies in the region.
        runs_needed: runs that would decide with probability 0.8, the effect and the spread being
            as measured; 1,001 for more than 1,000, None of fewer than two.
    """

    n: int
    effect: float | None = None
    interval: Interval | None = None
    p: float | None = None
    inside: bool = False
    runs_needed: int | None = None

    @property
    def verdict(self) -> Verdict:
        """What follows from the interval, or from the p, which says the same."""
        if self.effect is None:
            return "not run"
        if self.p is None or self.p >= ALPHA:
            return "undecided"
        return "supported" if self.inside else "refuted"


def judge(
    values: Sequence[float], region: Region, overlap: float = 0.0, level: float = LEVEL
) -> Judgement:
    """Hold the mean of values, one a seed, against a region.

    Args:
        overlap: of splits, see `wye.evidence.paired.overlap`.
        level: of the interval.
    """
    measured = spread(values)
    if measured is None or not math.isfinite(measured.mean):
        return Judgement(0)
    effect, inside = measured.mean, region.holds(measured.mean)
    if measured.sd is None:
        return Judgement(1, effect, inside=inside)
    varies = min(values) < max(values)
    return Judgement(
        measured.n,
        effect,
        t_interval(values, level, overlap),
        t_test(values, region.nearest(effect), overlap) if varies else 0.0,
        inside,
        runs_needed(region.distances(effect), measured.sd, overlap) if varies else 2,
    )


def judge_each(pairs: Sequence[Sequence[float]], region: Region, overlap: float = 0.0) -> Judgement:
    """Hold each of several effects against a region in which all of them are claimed to lie.

    Supported if each is, which needs no correction (the intersection-union test of Berger 1982);
    refuted if any is, at a level corrected for their number. The effect and the interval are those
    of the pair that decides: the one with most to say against the claim, its interval widened for
    their number, or, where all effects lie inside, the one whose interval reaches farthest.
    """
    each = [judge(values, region, overlap) for values in pairs]
    if any(one.effect is None for one in each):
        return Judgement(0)
    outside = [index for index, one in enumerate(each) if not one.inside]
    if not outside:
        needed = [one.runs_needed for one in each if one.runs_needed is not None]
        farthest = max(each, key=lambda one: _doubt(one, region))
        return replace(farthest, runs_needed=max(needed, default=None))
    first = min(outside, key=lambda index: _doubt(each[index], region))
    found = judge(pairs[first], region, overlap, 1 - ALPHA / len(pairs))
    return replace(found, p=None if found.p is None else min(1.0, found.p * len(pairs)))


def _doubt(one: Judgement, region: Region) -> tuple[float, float]:
    """How little it is known on which side of the end an effect lies: by p, then by distance."""
    assert one.effect is not None
    return one.p or 0.0, -min(region.distances(one.effect))


def holm(p_values: Sequence[float]) -> list[float]:
    """Corrected p of several tests, in their order (Holm 1979).

    If each claim whose corrected p is below 0.05 is decided, the probability that any of these
    decisions is wrong is at most 0.05, however the tests hang together.
    """
    count = len(p_values)
    corrected = [0.0] * count
    worst = 0.0
    for rank, index in enumerate(sorted(range(count), key=p_values.__getitem__)):
        worst = max(worst, min(1.0, (count - rank) * p_values[index]))
        corrected[index] = worst
    return corrected

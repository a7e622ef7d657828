"""From values by seed to a verdict on a claim, and the correction for many claims at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from wye.evidence.floor import Floor
from wye.evidence.paired import LEVEL, NO_FLOOR, Interval, runs_needed, t_interval, t_test
from wye.metrics import spread

ALPHA = round(1 - LEVEL, 12)

Verdict = Literal["supported", "refuted", "undecided", "needs weights", "no runs"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


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
class Sample:
    """What is held against a region.

    Attributes:
        values: one per seed: of a system, or differences of two.
        floor: of their standard deviation.
        one_recipe: whether they are differences of a recipe from itself.
    """

    values: Sequence[float]
    floor: Floor = NO_FLOOR
    one_recipe: bool = False


@dataclass(frozen=True)
class Judgement:
    """An effect, and whether it lies in the region that a claim names.

    Attributes:
        n: seeds.
        effect: mean over them; None without any.
        interval: 95 % t interval; None of fewer than two, and where they don't vary.
        p: two-sided p of the t test of the end of the region that is nearest to the effect: below
            0.05 exactly where the interval lies on one side of it. 1 where the values don't vary,
            None of fewer than two and where the effect is certain.
        inside: whether the effect lies in the region.
        runs_needed: runs that would decide with probability 0.8, the effect and the spread being
            as measured, with its floor; 1,001 for more than 1,000, None without an interval.
        certain: whether the effect is 0 because it is that of a recipe on itself.
    """

    n: int
    effect: float | None = None
    interval: Interval | None = None
    p: float | None = None
    inside: bool = False
    runs_needed: int | None = None
    certain: bool = False

    @property
    def verdict(self) -> Verdict:
        """What follows from the interval, or from the p, which says the same."""
        if self.effect is None:
            return "no runs"
        if not self.certain and (self.p is None or self.p >= ALPHA):
            return "undecided"
        return "supported" if self.inside else "refuted"

    @property
    def ties(self) -> bool:
        """Whether several values are equal by chance, so that their spread is not known."""
        return self.n > 1 and self.interval is None and not self.certain


def judge(sample: Sample, region: Region, overlap: float = 0.0, level: float = LEVEL) -> Judgement:
    """Hold the mean of a sample against a region.

    Equal values decide nothing, except the differences of a recipe from itself: those are 0 for
    certain.

    Args:
        overlap: of splits, see `wye.evidence.paired.overlap`.
        level: of the interval.
    """
    values, floor = sample.values, sample.floor
    measured = spread(values)
    if measured is None or not math.isfinite(measured.mean):
        return Judgement(0)
    effect, inside = measured.mean, region.holds(measured.mean)
    if sample.one_recipe and not any(values):
        return Judgement(measured.n, effect, inside=inside, certain=True)
    if measured.sd is None:
        return Judgement(1, effect, inside=inside)
    interval = t_interval(values, level, overlap, floor)
    needed = None
    if interval is not None:
        sd = floor.raised(measured.sd, measured.n)
        needed = runs_needed(region.distances(effect), sd, overlap, floor)
    p = t_test(values, region.nearest(effect), overlap, floor)
    return Judgement(measured.n, effect, interval, p, inside, needed)


def judge_each(pairs: Sequence[Sample], region: Region, overlap: float = 0.0) -> Judgement:
    """Hold each of several effects against a region in which all of them are claimed to lie.

    Supported if each is, which needs no correction (the intersection-union test of Berger 1982);
    refuted if any is, at a level corrected for their number. The effect and the interval are those
    of the pair that decides: the one with most to say against the claim, its interval widened for
    their number, or, where all effects lie inside, the one whose interval reaches farthest.
    """
    each = [judge(sample, region, overlap) for sample in pairs]
    if any(one.effect is None for one in each):
        return Judgement(0)
    outside = [index for index, one in enumerate(each) if not one.inside]
    if not outside:
        needed = [one.runs_needed for one in each if one.runs_needed is not None]
        farthest = max(each, key=lambda one: _doubt(one, region))
        most = None if farthest.ties else max(needed, default=None)
        return replace(farthest, runs_needed=most)
    first = min(outside, key=lambda index: _doubt(each[index], region))
    found = judge(pairs[first], region, overlap, 1 - ALPHA / len(pairs))
    return replace(found, p=None if found.p is None else min(1.0, found.p * len(pairs)))


def _doubt(one: Judgement, region: Region) -> tuple[float, float]:
    """How little it is known on which side of the end an effect lies: by p, then by distance."""
    assert one.effect is not None
    p = 0.0 if one.certain else 1.0 if one.p is None else one.p
    return p, -min(region.distances(one.effect))


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

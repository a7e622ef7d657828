"""From values by seed to a verdict on a claim, and the correction for many claims at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from wye.evidence import looks
from wye.evidence.floor import Floor
from wye.evidence.paired import NO_FLOOR, Interval
from wye.metrics import spread

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

    def clear(self, interval: Interval, inside: bool) -> bool:
        """Whether an interval lies wholly `inside`, or wholly outside, no end of both in common."""
        low, high = interval
        if inside:
            return self.ends[0] < low and high < self.ends[1]
        return high < self.ends[0] or low > self.ends[1]

    def deciding(self, effect: float) -> list[float]:
        """The finite ends that decide: inside all, outside the nearest to the effect."""
        finite = [end for end in self.ends if math.isfinite(end)]
        return finite if self.holds(effect) else [min(finite, key=lambda end: abs(effect - end))]

    def distances(self, effect: float) -> list[float]:
        """How far the effect lies from the ends that decide."""
        return [abs(effect - end) for end in self.deciding(effect)]


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
        interval: that of all looks so far (`wye.evidence.looks`), which holds the effect with a
            probability of 95 % at all of them together; None before the first, and where the values
            don't vary.
        p: two-sided p, allowing for all looks, of the end of the region that is hardest to tell
            from the effect: below 0.05 exactly where the interval lies on one side of it. 1 where
            the values don't vary, None before the first look and where the effect is certain.
        inside: whether the effect lies in the region.
        verdict: supported or refuted where the whole interval lies inside or outside.
        runs_needed: seeds at which a look would decide with probability 0.8, the effect and the
            spread being as measured, with its floor; one more than the last look for none, None
            without an interval.
        certain: whether the effect is 0 because it is that of a recipe on itself.
    """

    n: int
    effect: float | None = None
    interval: Interval | None = None
    p: float | None = None
    inside: bool = False
    verdict: Verdict = "undecided"
    runs_needed: int | None = None
    certain: bool = False

    @property
    def ties(self) -> bool:
        """Whether several values are equal by chance, so that their spread is not known."""
        return self.p == 1 and self.interval is None


def judge(
    sample: Sample, region: Region, overlap: float = 0.0, alpha: float = looks.ALPHA
) -> Judgement:
    """Hold the mean of a sample against a region.

    Equal values decide nothing, except the differences of a recipe from itself: those are 0 for
    certain.

    Args:
        overlap: of splits, see `wye.evidence.paired.overlap`.
        alpha: probability that the interval leaves the effect out at any look.
    """
    values, floor = sample.values[: looks.LAST], sample.floor
    measured = spread(values)
    if measured is None or not math.isfinite(measured.mean):
        return Judgement(0, verdict="no runs")
    n, effect, inside = measured.n, measured.mean, region.holds(measured.mean)
    decided: Verdict = "supported" if inside else "refuted"
    if sample.one_recipe and not any(values):
        return Judgement(n, effect, inside=inside, verdict=decided, certain=True)
    each = [looks.p_value(values, end, overlap, floor) for end in region.deciding(effect)]
    p = max((one for one in each if one is not None), default=None)
    interval = looks.interval(values, alpha, overlap, floor)
    if interval is None:
        return Judgement(n, effect, p=p, inside=inside)
    sd = floor.raised(measured.sd or 0.0, n)
    needed = looks.seeds_needed(n, region.distances(effect), sd, overlap, floor)
    verdict: Verdict = decided if region.clear(interval, inside) else "undecided"
    return Judgement(n, effect, interval, p, inside, verdict, needed)


def judge_each(pairs: Sequence[Sample], region: Region, overlap: float = 0.0) -> Judgement:
    """Hold each of several effects against a region in which all of them are claimed to lie.

    Supported if each is, which needs no correction (the intersection-union test of Berger 1982);
    refuted if any is, at a level corrected for their number. The effect and the interval are those
    of the pair that decides: the one with most to say against the claim, its interval widened for
    their number, or, where all effects lie inside, the one whose interval reaches farthest.
    """
    each = [judge(sample, region, overlap) for sample in pairs]
    if any(one.effect is None for one in each):
        return Judgement(0, verdict="no runs")
    outside = [index for index, one in enumerate(each) if not one.inside]
    if not outside:
        needed = [one.runs_needed for one in each if one.runs_needed is not None]
        farthest = max(each, key=lambda one: _doubt(one, region))
        most = None if farthest.interval is None else max(needed, default=None)
        return replace(farthest, runs_needed=most)
    first = min(outside, key=lambda index: _doubt(each[index], region))
    found = judge(pairs[first], region, overlap, looks.ALPHA / len(pairs))
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

"""Statistics of differences paired by seed: interval, test, effect size, and how many runs."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from wye.evidence.floor import Floor
from wye.metrics import Spread, spread
from wye.recipe import Recipe

LEVEL = 0.95
"""Confidence of an interval; a test at its complement, 0.05, says the same."""
POWER = 0.8
"""Probability with which a number of runs is to show a difference."""
MOST_RUNS = 1000
"""Numbers of runs beyond it are not told apart: one more stands for all of them."""
RESAMPLES = 9999
NO_FLOOR = Floor()

Interval = tuple[float, float]


@dataclass(frozen=True)
class Paired:
    """What the paired differences of two systems say.

    Attributes:
        seeds: those that both have a value of, in order; there are n of them.
        first: mean and standard deviation of the first system's values of these seeds.
        second: of the second's.
        mean: the difference, first less second.
        sd: sample standard deviation of the differences; None of one.
        interval: t interval of the difference; None of one, and where the differences don't vary:
            equal ones say no more of their spread than a single one.
        bootstrap: BCa bootstrap interval; None where `interval` is, and for overlapping splits,
            whose values are not independent draws.
        p: of the two-sided paired t test that the difference is zero; None of one, 1 where the
            differences don't vary.
        effect_size: Cohen's d_z, the mean of the differences over their standard deviation, raised
            as for the t test; None where `interval` is.
        overlap: see `overlap`.
        floor: of the standard deviation, in interval, test, effect size and number of runs.
    """

    seeds: tuple[int, ...]
    first: Spread
    second: Spread
    mean: float
    sd: float | None
    interval: Interval | None
    bootstrap: Interval | None
    p: float | None
    effect_size: float | None
    overlap: float
    floor: Floor

    @property
    def ties(self) -> bool:
        """Whether several differences are all the same, so that their spread is not known."""
        return self.sd == 0

    def runs_needed(self, difference: float) -> int | None:
        """How many runs show a difference of this size; None where the spread is not known."""
        if not self.sd:
            return None
        sd = self.floor.raised(self.sd, len(self.seeds))
        return runs_needed([difference], sd, self.overlap, self.floor)


def paired(
    first: Mapping[int, float],
    second: Mapping[int, float],
    overlap: float = 0.0,
    floor: Floor = NO_FLOOR,
) -> Paired | None:
    """Compare two systems by the seeds that both have; None where there is no such seed.

    Args:
        first: seed to value.
        second: likewise.
        overlap: Nadeau and Bengio's correction where the seeds are overlapping splits.
        floor: of the standard deviation of the differences.
    """
    seeds = sorted(first.keys() & second.keys())
    values = differences(first, second, seeds)
    one, two = spread(first[seed] for seed in seeds), spread(second[seed] for seed in seeds)
    each = spread(values)
    if one is None or two is None or each is None:
        return None
    several = each.sd is not None
    return Paired(
        tuple(seeds),
        one,
        two,
        each.mean,
        each.sd,
        t_interval(values, overlap=overlap, floor=floor) if several else None,
        bootstrap_interval(values, floor=floor) if several and not overlap else None,
        t_test(values, overlap=overlap, floor=floor) if several else None,
        each.mean / floor.raised(each.sd, each.n) if each.sd else None,
        overlap,
        floor,
    )


def differences(
    first: Mapping[int, float], second: Mapping[int, float], seeds: Sequence[int]
) -> list[float]:
    """First less second for each seed, rid of what floating point adds to equal differences."""
    return [round(first[seed] - second[seed], 12) for seed in seeds]


def overlap(*recipes: Recipe) -> float:
    """What the overlap of random splits adds to 1/n in the variance of a mean; 0 without splits.

    The part held out over the part trained on (Nadeau and Bengio 2003). Runs on splits of one set
    of images share most of what they learn from, so that they differ less from each other than runs
    on fresh images would; more splits narrow the interval only so far. The correction is derived
    for splits that are each tested on the part held out. Here the test set is fixed and the part
    held out is for validation, so it is conservative: for other splits of the same images 1/n alone
    would do.
    """
    held_out = [recipe.data.validation for recipe in recipes if recipe.evaluation.splits > 1]
    return max((share / (1 - share) for share in held_out), default=0.0)


def t_interval(
    values: Sequence[float],
    level: float = LEVEL,
    overlap: float = 0.0,
    floor: Floor = NO_FLOOR,
) -> Interval | None:
    """Student's interval of the mean of two values or more; None where they don't vary.

    Args:
        level: of confidence.
        overlap: of splits.
        floor: of the standard deviation.
    """
    if not _vary(values):
        return None
    mean, error = _mean_and_error(values, overlap, floor)
    half = _critical(1 - level, len(values)) * error
    return mean - half, mean + half


def t_test(
    values: Sequence[float],
    expected: float = 0.0,
    overlap: float = 0.0,
    floor: Floor = NO_FLOOR,
) -> float:
    """Two-sided p of the t test that two values or more have the mean `expected`.

    1 where they don't vary, which is evidence of nothing: values that are counts are equal by
    chance, and so are runs that are no independent repeats, or that all learned nothing.
    """
    from scipy import special  # many times as quick as scipy.stats, and the same

    if not _vary(values):
        return 1.0
    mean, error = _mean_and_error(values, overlap, floor)
    return float(2 * special.stdtr(len(values) - 1, -abs(mean - expected) / error))


def _critical(alpha: float, count: int) -> float:
    """The t of so many values beyond which a two-sided test at `alpha` decides."""
    from scipy import special

    return float(special.stdtrit(count - 1, 1 - alpha / 2))


def _vary(values: Sequence[float]) -> bool:
    if len(values) < 2:
        raise ValueError(f"{len(values)} values have no spread; two are needed")
    return min(values) < max(values)


def _mean_and_error(values: Sequence[float], overlap: float, floor: Floor) -> tuple[float, float]:
    """The mean and its standard error."""
    n = len(values)
    sd = floor.raised(float(np.std(values, ddof=1)), n)
    return math.fsum(values) / n, sd * math.sqrt(1 / n + overlap)


def bootstrap_interval(
    values: Sequence[float], level: float = LEVEL, seed: int = 0, floor: Floor = NO_FLOOR
) -> Interval | None:
    """BCa bootstrap interval of the mean of two values or more (Efron 1987).

    It assumes no normal distribution, and without a floor it never reaches beyond the least and the
    largest value: with fewer than some ten values it is too narrow, and the t interval is the one
    to go by. Where the floor raises the standard deviation, it is stretched about the mean as the t
    interval is, since no resampling shows a spread that the sample lacks. None where the values
    don't vary.

    Args:
        seed: of the 9,999 resamples.
    """
    from scipy import stats

    if not _vary(values):
        return None
    found = stats.bootstrap(
        (np.asarray(values),),
        np.mean,
        confidence_level=level,
        n_resamples=RESAMPLES,
        method="BCa",
        random_state=np.random.default_rng(seed),
    ).confidence_interval
    mean, sd = math.fsum(values) / len(values), float(np.std(values, ddof=1))
    stretch = floor.raised(sd, len(values)) / sd
    low, high = (mean + (float(end) - mean) * stretch for end in found)
    return low, high


def runs_needed(
    distances: Sequence[float], sd: float, overlap: float = 0.0, floor: Floor = NO_FLOOR
) -> int:
    """The least number of runs whose interval lies clear of some bounds with probability 0.8.

    By the noncentral t distribution, for normal differences of standard deviation `sd`. For one
    bound it is the number of pairs that a two-sided t test at 0.05 needs; with two bounds, on
    either side of the mean, both have to be cleared.

    Args:
        distances: of the true mean from each bound, above 0.
        sd: standard deviation of the differences of single runs, above 0.
        overlap: of splits, which no number of runs may outdo.
        floor: of the standard deviation, for each number of runs.

    Returns:
        2 to 1,000, or 1,001 for more than that.

    Raises:
        ValueError: `sd` is not above 0, so that the spread is not known.
    """
    if sd <= 0:
        raise ValueError(f"a standard deviation of {sd} says nothing of how many runs are needed")
    if min(distances) <= 0:
        return MOST_RUNS + 1

    def enough(count: int) -> bool:
        return decides(count, distances, sd, overlap, floor) >= POWER

    # More runs never do less, so that halving finds the least number.
    return bisect_left(range(MOST_RUNS + 1), True, lo=2, key=enough)


def decides(
    count: int,
    distances: Sequence[float],
    sd: float,
    overlap: float = 0.0,
    floor: Floor = NO_FLOOR,
    alpha: float = 1 - LEVEL,
) -> float:
    """The probability that the interval of `count` runs lies clear of all bounds, at the least.

    Args:
        distances, sd, overlap, floor: as in `runs_needed`.
        alpha: level of the interval's test.
    """
    error = floor.raised(sd, count) * math.sqrt(1 / count + overlap)
    return 1 - sum(_missed(distance / error, count, alpha) for distance in distances)


def _missed(noncentrality: float, count: int, alpha: float) -> float:
    """Probability that the interval of so many values isn't clear of a bound."""
    from scipy import stats

    critical = _critical(alpha, count)
    if noncentrality > 10 + 5 * critical:
        return 0.0  # below 1e-6, and the distribution's series would not converge far beyond
    return float(stats.nct.cdf(critical, count - 1, noncentrality))

"""Statistics of differences paired by seed: interval, test, effect size, and how many runs."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from wye.metrics import Spread, spread
from wye.recipe import Recipe

LEVEL = 0.95
"""Confidence of an interval; a test at its complement, 0.05, says the same."""
POWER = 0.8
"""Probability with which a number of runs is to show a difference."""
MOST_RUNS = 1000
"""Numbers of runs beyond it are not told apart: one more stands for all of them."""
RESAMPLES = 9999

Interval = tuple[float, float]


@dataclass(frozen=True)
class Paired:
    """What the paired differences of two systems say.

    Attributes:
        seeds: those that both have a figure of, in order; there are n of them.
        first: mean and deviation of the first system's figures of these seeds.
        second: of the second's.
        mean: the difference, first less second.
        sd: sample deviation of the differences; None of one.
        interval: t interval of the difference; None of one.
        bootstrap: BCa bootstrap interval; None of one, and for overlapping splits, whose figures
            are not independent draws.
        p: of the two-sided paired t test that the difference is zero; None of one.
        effect_size: Cohen's d_z, the mean of the differences over their deviation; None of one, and
            where they don't vary.
        overlap: see `overlap`.
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


def paired(
    first: Mapping[int, float], second: Mapping[int, float], overlap: float = 0.0
) -> Paired | None:
    """Compare two systems by the seeds that both have; None where there is no such seed.

    Args:
        first: seed to figure.
        second: likewise.
        overlap: Nadeau and Bengio's correction where the seeds are overlapping splits.
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
        t_interval(values, overlap=overlap) if several else None,
        bootstrap_interval(values) if several and not overlap else None,
        t_test(values, overlap=overlap) if several else None,
        each.mean / each.sd if each.sd else None,
        overlap,
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
    on fresh images would; more splits narrow the interval only so far.
    """
    held_out = [recipe.data.validation for recipe in recipes if recipe.evaluation.splits > 1]
    return max((share / (1 - share) for share in held_out), default=0.0)


def t_interval(values: Sequence[float], level: float = LEVEL, overlap: float = 0.0) -> Interval:
    """Student's interval of the mean of two values or more.

    Without any spread it is the mean alone, the limit of ever smaller spread.
    """
    from scipy import stats

    mean, error = _mean_and_error(values, overlap)
    half = float(stats.t.ppf((1 + level) / 2, len(values) - 1)) * error
    return mean - half, mean + half


def t_test(values: Sequence[float], expected: float = 0.0, overlap: float = 0.0) -> float:
    """Two-sided p of the t test that two values or more have the mean `expected`.

    Without any spread it is 0, or 1 where the mean is the expected one.
    """
    from scipy import stats

    mean, error = _mean_and_error(values, overlap)
    if error == 0:
        return float(mean == expected)
    return float(2 * stats.t.sf(abs(mean - expected) / error, len(values) - 1))


def _mean_and_error(values: Sequence[float], overlap: float) -> tuple[float, float]:
    """The mean and its standard error."""
    count = len(values)
    if count < 2:
        raise ValueError(f"{count} values have no spread; two are needed")
    if min(values) == max(values):
        return float(values[0]), 0.0
    variance = float(np.var(values, ddof=1))
    return math.fsum(values) / count, math.sqrt(variance * (1 / count + overlap))


def bootstrap_interval(values: Sequence[float], level: float = LEVEL, seed: int = 0) -> Interval:
    """BCa bootstrap interval of the mean of two values or more (Efron 1987).

    It assumes no normal distribution, and it never reaches beyond the least and the largest value:
    with fewer than some ten values it is too narrow, and the t interval is the one to go by.

    Args:
        seed: of the 9,999 resamples.
    """
    from scipy import stats

    if min(values) == max(values):
        return float(values[0]), float(values[0])
    found = stats.bootstrap(
        (np.asarray(values),),
        np.mean,
        confidence_level=level,
        n_resamples=RESAMPLES,
        method="BCa",
        random_state=np.random.default_rng(seed),
    ).confidence_interval
    return float(found.low), float(found.high)


def runs_needed(distances: Sequence[float], sd: float, overlap: float = 0.0) -> int:
    """The least number of runs whose interval lies clear of some bounds with probability 0.8.

    By the noncentral t distribution, for normal differences of deviation `sd`. For one bound it is
    the number of pairs that a two-sided t test at 0.05 needs; with two bounds, on either side of
    the mean, both have to be cleared.

    Args:
        distances: of the true mean from each bound, above 0.
        sd: deviation of the differences of single runs.
        overlap: of splits, which no number of runs may outdo.

    Returns:
        2 to 1,000, or 1,001 for more than that.
    """
    if min(distances) <= 0:
        return MOST_RUNS + 1
    if sd == 0:
        return 2

    def enough(count: int) -> bool:
        error = sd * math.sqrt(1 / count + overlap)
        return 1 - sum(_missed(distance / error, count) for distance in distances) >= POWER

    # More runs never do less, so that halving finds the least number.
    return bisect_left(range(MOST_RUNS + 1), True, lo=2, key=enough)


def _missed(noncentrality: float, count: int) -> float:
    """Probability that the interval of so many values isn't clear of a bound."""
    from scipy import stats

    critical = float(stats.t.ppf((1 + LEVEL) / 2, count - 1))
    if noncentrality > 10 + 5 * critical:
        return 0.0  # below 1e-6, and the distribution's series would not converge far beyond
    return float(stats.nct.cdf(critical, count - 1, noncentrality))

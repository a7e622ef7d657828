"""Intervals that hold however often one looks: a confidence sequence for the mean of pairs."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from wye.evidence.floor import Floor
from wye.evidence.paired import LEVEL, NO_FLOOR, Interval

PRIOR = 10.0
"""Variance of the effect, in units of that of a single difference, that the mixture expects.

Large effects, found early, are worth more here than small ones found after hundreds of pairs: with
10 the half width at 4, 8 and 16 pairs is 2.1, 1.9 and 1.8 times that of Student's interval."""


def anytime_interval(
    values: Sequence[float], level: float = LEVEL, floor: Floor = NO_FLOOR
) -> Interval | None:
    """An interval of the mean of normal differences, valid at every number of pairs at once.

    With probability `level` the true mean lies in all of the intervals that are computed as pairs
    come in, so one may look after each pair and stop when the interval decides. Student's interval
    doesn't allow that: looked at after each of 30 pairs, it excludes the truth in a quarter of all
    studies. The interval holds each mean that a mixture of likelihood ratios of the t statistic (a
    normal prior on the effect size, the right Haar prior on the variance) has not refuted by
    1 / (1 - level): Lai 1976; Wang and Ramdas, "Anytime-valid t-tests", 2023.

    Args:
        level: of confidence.
        floor: of the standard deviation.

    Returns:
        None of fewer than three values, where they don't vary, and where so few bound nothing.

    Example:
        >>> from wye.evidence.sequence import anytime_interval
        >>> low, high = anytime_interval([1.9, 2.2, 2.0, 2.4, 1.8, 2.1])
        >>> print(f"{low:.2f} to {high:.2f}")
        1.63 to 2.50
    """
    n = len(values)
    if n < 3 or min(values) == max(values):
        return None
    shrunk = 1 / (1 + n * PRIOR)
    ratio = (1 / (1 - level) / math.sqrt(shrunk)) ** (2 / n)
    if ratio * shrunk >= 1:
        return None
    t = math.sqrt((n - 1) * (ratio - 1) / (1 - ratio * shrunk))
    half = t * floor.raised(statistics.stdev(values), n) / math.sqrt(n)
    mean = statistics.fmean(values)
    return mean - half, mean + half

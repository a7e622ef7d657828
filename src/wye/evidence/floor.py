"""What is known of the spread of a metric over seeds before any run is seen, and its use."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean

from wye.metrics import metric
from wye.runs.records import Record

USUAL = 1 / 3
"""Usual standard deviation over seeds, low rather than high, as a fraction of the binomial one."""


@dataclass(frozen=True)
class Floor:
    """What the standard deviation of values, one per seed, is held against.

    Two or three values that lie close together by accident have a sample standard deviation of
    almost nothing, and a t interval to match: with two seeds, every false verdict of the t test is
    such an accident. So a small standard deviation is raised, in two ways, and a larger one is
    left. The degrees of freedom stay n - 1, so that no p gets smaller than the t test's own.

    Rounding: a count over N images is known to half a step of 1/N, so its standard deviation is at
    least sqrt(1/12)/N, and that of a difference of two sqrt(2/12)/N.

    Usual spread: where it exceeds the sample's, it counts as one observation more in the sample's
    variance, ((n - 1) sd^2 + usual^2) / n: a moderated variance (Smyth 2004), in one direction
    only. It matters most for two seeds and fades with n, as more seeds measure their own spread.
    The usual standard deviation is taken to be a third of the binomial one, sqrt(a(1 - a)/N) for
    accuracy a; the variances of two systems add up. A run that classifies image i correctly with
    probability p_i has the variance sum p_i(1 - p_i)/N^2: the binomial one if all p_i are a, less
    the more two runs agree on which images are hard. Paired differences of 30 pairs of systems on
    CIFAR-10 had a median of 0.6 of the binomial one (0.15 to 2.5), 23 of them more than a third.

    The whole binomial error would be the wrong floor: it is that of other test images, which
    McNemar's test asks about. Claims are about other seeds on the same images.

    Attributes:
        usual: in the metric's unit; 0 where nothing is known.
        rounding: likewise.
    """

    usual: float = 0.0
    rounding: float = 0.0

    def raised(self, sd: float, n: int) -> float:
        """The standard deviation to go by, of a sample's standard deviation and its size."""
        moderated = max(sd**2, ((n - 1) * sd**2 + self.usual**2) / n)
        return max(math.sqrt(moderated), self.rounding)


def floor_of(name: str, *systems: Iterable[Record]) -> Floor | None:
    """The floor for the values of one system, or for the differences of two.

    Args:
        name: a metric. One that is no count, such as PSNR, has a floor of 0.
        systems: records that have the metric.

    Returns:
        None where it is a count and a run does not say of how many images.
    """
    if metric(name).counts is None:
        return Floor()
    binomial = rounding = 0.0
    for runs in systems:
        each = [(run.metrics[name], run.images_behind(name)) for run in runs]
        known = [(value, images) for value, images in each if images is not None]
        if len(known) < len(each):
            return None
        if known:
            binomial += fmean(max(0.0, value * (1 - value)) / images for value, images in known)
            rounding += fmean(1 / (12 * images**2) for _, images in known)
    return Floor(USUAL * math.sqrt(binomial), math.sqrt(rounding))

"""Mean and standard deviation of several measurements."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation of `n` measurements; None where `n` is 1."""

    mean: float
    sd: float | None
    n: int


def spread(values: Iterable[float]) -> Spread | None:
    """Mean, sample standard deviation and number of `values`; None without any."""
    known = list(values)
    if not known:
        return None
    if not all(math.isfinite(value) for value in known):
        return Spread(math.nan, None, len(known))
    sd = statistics.stdev(known) if len(known) > 1 else None
    return Spread(statistics.fmean(known), sd, len(known))

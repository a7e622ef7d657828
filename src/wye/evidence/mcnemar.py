"""McNemar's test: whether two classifiers go wrong on the same test images equally often."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wye.runs.records import Right


@dataclass(frozen=True)
class McNemar:
    """Images that one of two classifiers alone gets right, and the p of so uneven a split.

    For several pairs of classifiers an image counts once for each pair.
    """

    images: int
    only_first: int
    only_second: int
    p: float


def mcnemar(first: Right, second: Right) -> McNemar:
    """The exact test of one pair: a binomial test of the images on which they disagree."""
    from scipy import stats

    one, two = int((first & ~second).sum()), int((second & ~first).sum())
    p = stats.binomtest(one, one + two, 0.5).pvalue if one + two else 1.0
    return McNemar(len(first), one, two, float(p))


def clustered_mcnemar(pairs: Sequence[tuple[Right, Right]]) -> McNemar:
    """The test of several pairs on one test set, an image being a cluster of as many answers.

    What several networks say of one image hangs together, so the pairs' counts may not be added up
    as if each were of images of its own. Each image has a score instead, for how many pairs the
    first alone is right less for how many the second alone is, and the scores' sum is held against
    their sum of squares (Durkalski et al. 2003; for one pair McNemar's test without continuity
    correction). The networks are taken as given: it asks whether other test images would tell them
    apart, and the interval over seeds whether other networks of their kind would be.
    """
    score = np.sum([a.astype(np.int64) - b.astype(np.int64) for a, b in pairs], axis=0)
    one = sum(int((a & ~b).sum()) for a, b in pairs)
    two = sum(int((b & ~a).sum()) for a, b in pairs)
    squares = int((score**2).sum())
    z = int(score.sum()) / math.sqrt(squares) if squares else 0.0
    return McNemar(len(score), one, two, math.erfc(abs(z) / math.sqrt(2)))

"""Repeated looks: how often they mislead, what is found stays found, and how many seeds decide."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

import wye.evidence.looks
from wye.evidence import looks
from wye.evidence.floor import Floor
from wye.evidence.paired import t_interval, t_test
from wye.evidence.verdict import Region, Sample, judge

HIGHER = Region((0.0, math.inf), closed=False)
NULLS = 300


def test_a_look_after_each_pair_misleads_in_one_of_twenty_series_at_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of systems that are alike; a t interval at each look would mislead far oftener."""
    monkeypatch.setattr(wye.evidence.looks, "seeds_needed", lambda *_: 4)
    series = np.random.default_rng(5).normal(0, 0.003, (NULLS, looks.LAST)).tolist()
    false = sum(judge(Sample(values), HIGHER).verdict != "undecided" for values in series)
    assert false <= stats.binom.ppf(0.999, NULLS, 0.05)
    naive = sum(
        any(t_test(values[:count]) < 0.05 for count in range(2, looks.LAST + 1))
        for values in series
    )
    assert naive > 3 * stats.binom.ppf(0.999, NULLS, 0.05)


def test_a_look_at_three_seeds_is_a_t_interval_of_97_percent() -> None:
    values = [0.01, 0.013, 0.011]
    assert looks.interval(values) == pytest.approx(t_interval(values, 0.97))
    assert looks.p_value(values, 0.0) == pytest.approx(t_test(values) / 0.6)
    assert looks.interval(values[:2]) is looks.p_value(values[:2], 0.0) is None


def test_what_was_found_stays_found_and_an_interval_only_narrows() -> None:
    values = np.random.default_rng(3).normal(0.02, 0.004, 25).tolist()
    before = (-math.inf, math.inf)
    for count in range(3, looks.LAST + 1):
        found = looks.interval(values[:count])
        assert found is not None and before[0] <= found[0] < found[1] <= before[1]
        before = found
    assert looks.interval(values) == before  # further seeds have no say
    # A fourth seed alone would widen the interval beyond zero.
    wild = [0.010, 0.011, 0.0105, 0.03]
    alone = t_interval(wild, 1 - looks.level(4))
    assert alone is not None and alone[0] < 0
    assert judge(Sample(wild), HIGHER).verdict == "supported"


def test_looks_that_contradict_each_other_decide_nothing() -> None:
    values = [0.0100, 0.01001, 0.00999, *[-0.05] * 12, -0.0501]
    assert looks.interval(values) is None
    assert judge(Sample(values), HIGHER).verdict == "undecided"


@pytest.mark.parametrize("count", [3, 4, 20])
@pytest.mark.parametrize("alpha", [0.05, 0.01, 0.0005])
def test_p_and_interval_say_the_same(count: int, alpha: float) -> None:
    assert looks.allowing(looks.level(count, alpha), count) == pytest.approx(alpha)
    values = np.random.default_rng(count).normal(0.004, 0.003, count).tolist()
    floor = Floor(0.001, 0.0001)
    ends = looks.interval(values, alpha, floor=floor)
    assert ends is not None
    for end in ends:
        assert looks.p_value(values, end, floor=floor) == pytest.approx(alpha)


@pytest.mark.parametrize(("seen", "effect"), [(0, 0.02), (3, 0.006), (5, 0.004)])
def test_so_many_seeds_decide_with_a_probability_of_four_fifths(seen: int, effect: float) -> None:
    needed = looks.seeds_needed(seen, [effect], 0.003, 0.0, Floor())
    assert seen < needed <= looks.LAST

    def power(count: int) -> float:
        critical = stats.t.ppf(1 - looks.level(count) / 2, count - 1)
        return float(stats.nct.sf(critical, count - 1, effect * math.sqrt(count) / 0.003))

    assert power(needed) >= 0.8
    assert all(power(count) < 0.8 for count in range(max(3, seen + 1), needed))


def test_an_effect_that_no_look_would_show_is_said_to_be_one() -> None:
    assert looks.seeds_needed(3, [0.0001], 0.003, 0.0, Floor()) == looks.LAST + 1

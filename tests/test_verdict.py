"""Verdicts: where an interval lies, what equal values say, and several pairs at once."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.weightstats import ttost_paired

import wye.evidence.looks
from wye.evidence.floor import Floor
from wye.evidence.looks import FIRST_PART
from wye.evidence.paired import t_interval
from wye.evidence.verdict import Region, Sample, judge, judge_each


def accuracies(seed: int, count: int, mean: float = 0.85) -> list[float]:
    return np.random.default_rng(seed).normal(mean, 0.005, count).round(4).tolist()


@pytest.mark.parametrize("effect", [0.0, 0.003, -0.006])
def test_being_alike_agrees_with_two_one_sided_tests(effect: float) -> None:
    first, second = accuracies(7, 3, 0.85 + effect), accuracies(8, 3)
    values = np.subtract(first, second)
    found = judge(Sample(values.tolist()), Region((-0.012, 0.012)))
    p, _, _ = ttost_paired(np.array(first), np.array(second), -0.012, 0.012)
    assert found.inside
    # Each test at half of what the first look may spend, so that it is its interval that must lie
    # within the margin.
    assert found.p == pytest.approx(min(1, 2 * p / FIRST_PART))


HIGHER, ALIKE = Region((0.01, math.inf), closed=False), Region((-0.01, 0.01))
SPREAD = np.array([-0.001, 0.0, 0.001])


@pytest.mark.parametrize(
    ("region", "mean", "verdict"),
    [
        (HIGHER, 0.02, "supported"),
        (HIGHER, 0.0, "refuted"),
        (HIGHER, -0.02, "refuted"),
        (HIGHER, 0.011, "undecided"),
        (HIGHER, 0.009, "undecided"),
        (ALIKE, 0.002, "supported"),
        (ALIKE, -0.002, "supported"),
        (ALIKE, 0.009, "undecided"),
        (ALIKE, -0.011, "undecided"),
        (ALIKE, 0.02, "refuted"),
        (ALIKE, -0.02, "refuted"),
        (Region((0.57, 0.63)), 0.6, "supported"),
        (Region((0.57, 0.63)), 0.629, "undecided"),
        (Region((0.57, 0.63)), 0.5, "refuted"),
    ],
)
def test_the_verdict_is_where_the_interval_lies(region: Region, mean: float, verdict: str) -> None:
    values = (mean + SPREAD).tolist()
    found = judge(Sample(values), region)
    assert found.verdict == verdict
    assert found.interval == pytest.approx(t_interval(values, 1 - 0.05 * FIRST_PART))
    assert found.interval is not None
    low, high = found.interval
    wholly_in = region.holds(low) and region.holds(high)
    apart = high < region.ends[0] or low > region.ends[1]
    assert {"supported": wholly_in, "refuted": apart}.get(verdict, not wholly_in and not apart)


def test_a_verdict_needs_three_runs() -> None:
    assert judge(Sample([]), HIGHER).verdict == "no runs"
    assert judge(Sample([0.5, math.nan]), HIGHER).verdict == "no runs"
    one = judge(Sample([0.5]), HIGHER)
    assert (one.n, one.verdict, one.effect, one.ties) == (1, "undecided", 0.5, False)
    assert one.interval is one.p is one.runs_needed is None
    two = judge(Sample([0.5, 0.5001]), HIGHER)
    assert (two.n, two.verdict, two.interval, two.p, two.ties) == (
        2,
        "undecided",
        None,
        None,
        False,
    )


@pytest.mark.parametrize("values", [[0.0] * 3, [0.02] * 4, [-0.02] * 5, [0.01] * 3])
@pytest.mark.parametrize("region", [HIGHER, ALIKE, Region((0.015, 0.03))])
@pytest.mark.parametrize("floor", [Floor(), Floor(0.001, 0.0001)])
def test_equal_values_decide_nothing(values: list[float], region: Region, floor: Floor) -> None:
    found = judge(Sample(values, floor), region)
    assert (found.effect, found.verdict, found.p, found.ties) == (values[0], "undecided", 1, True)
    assert found.interval is found.runs_needed is None


def test_a_recipe_is_like_itself_for_certain() -> None:
    for count in (1, 2, 5):
        alike = judge(Sample([0.0] * count, one_recipe=True), ALIKE)
        higher = judge(Sample([0.0] * count, one_recipe=True), HIGHER)
        assert (alike.verdict, higher.verdict) == ("supported", "refuted")
        assert alike.certain and alike.p is alike.interval is None and not alike.ties
    # What a recipe's own runs differ by is chance, and is judged like any other difference.
    moved = Sample([0.02] * 3, one_recipe=True)
    assert judge(moved, HIGHER).verdict == "undecided"
    varied = Sample([0.019, 0.021, 0.02], one_recipe=True)
    assert judge(varied, HIGHER) == judge(Sample(varied.values), HIGHER)


def test_an_effect_at_the_margin_exactly_is_undecided() -> None:
    for values in ([0.009, 0.01, 0.011], [0.01] * 3, [0.0099, 0.01, 0.0101]):
        for sign in (1, -1):
            found = judge(Sample([sign * value for value in values]), ALIKE)
            assert found.effect == pytest.approx(sign * 0.01)
            assert found.p == pytest.approx(1) and found.verdict == "undecided"


def test_an_undecided_effect_is_decided_by_as_many_runs_as_it_says() -> None:
    values = (0.013 + 3 * SPREAD).tolist()
    found = judge(Sample(values), HIGHER)
    assert found.verdict == "undecided" and found.runs_needed is not None
    draw = np.random.default_rng(0).normal(0.013, 0.003, (400, found.runs_needed))
    decided = sum(judge(Sample(each), HIGHER).verdict == "supported" for each in draw.tolist())
    assert 0.7 < decided / 400 < 0.9


def test_all_pairs_must_be_alike_and_opposite_effects_do_not_cancel() -> None:
    up, down, none = (Sample((mean + SPREAD).tolist()) for mean in (0.02, -0.02, 0.001))
    assert judge_each([none, none], ALIKE).verdict == "supported"
    found = judge_each([none, up, down], ALIKE)
    assert found.verdict == "refuted"
    assert found.effect is not None and abs(found.effect) == pytest.approx(0.02)
    edge = Sample((0.0095 + SPREAD).tolist())
    assert judge_each([none, edge], ALIKE).verdict == "undecided"
    assert judge_each([none, edge], ALIKE).effect == pytest.approx(0.0095)
    assert judge_each([none, Sample([])], ALIKE).verdict == "no runs"
    single = judge_each([up], ALIKE)
    assert single == judge(up, ALIKE)


def test_a_pair_of_equal_values_leaves_all_pairs_undecided_unless_another_refutes_them() -> None:
    up, none = (Sample((mean + SPREAD).tolist()) for mean in (0.02, 0.001))
    tied, itself = Sample([0.001] * 3), Sample([0.0] * 3, one_recipe=True)
    found = judge_each([none, tied, itself], ALIKE)
    assert (found.verdict, found.effect, found.runs_needed) == ("undecided", 0.001, None)
    assert judge_each([tied, up, itself], ALIKE).verdict == "refuted"
    assert judge_each([none, itself], ALIKE).verdict == "supported"
    assert judge_each([itself, itself], ALIKE).certain
    assert judge_each([up, itself], HIGHER).verdict == "refuted"
    # A single run is not decided by a certain pair beside it.
    assert judge_each([Sample([0.001]), Sample([0.0], one_recipe=True)], ALIKE).verdict == (
        "undecided"
    )


def test_one_of_many_pairs_is_found_unlike_by_chance_no_oftener_than_one_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every pair differs by the margin exactly, the hardest case in which all are alike."""
    monkeypatch.setattr(wye.evidence.looks, "seeds_needed", lambda *_: 4)
    draw = np.random.default_rng(1)
    values = draw.normal(0.01, 0.003, (300, 4, 4))
    refuted = sum(
        judge_each([Sample(each) for each in pairs], ALIKE).verdict == "refuted"
        for pairs in values.tolist()
    )
    assert refuted <= stats.binom.ppf(0.999, 300, 0.05)

"""The floor of a standard deviation: its size, and how often verdicts are false with it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from wye.evidence.floor import Floor, floor_of
from wye.evidence.paired import (
    bootstrap_interval,
    differences,
    paired,
    runs_needed,
    t_interval,
    t_test,
)
from wye.evidence.verdict import Region, Sample, holm, judge
from wye.runs.records import Record, images_of

HIGHER = Region((0.0, math.inf), closed=False)


def run(name: str, value: float, confusion: list[list[int]] | None) -> Record:
    images, evenly = images_of({"test": {"confusion": confusion}})
    known: dict[str, Any] = {"metrics": {name: value}, "images": images, "evenly": evenly}
    return Record(row="joint/v1", seed=0, digest="0" * 16, data="cifar10", **known)


def runs(values: list[float], images: int) -> list[Record]:
    return [run("accuracy", value, [[images]]) for value in values]


def test_the_images_are_those_of_the_confusion_matrix() -> None:
    uneven = [[80, 10, 0], [5, 4, 1], [0, 0, 0]]
    for name in ("accuracy", "balanced_accuracy", "macro_f1", "judge_accuracy"):
        even = run(name, 0.7, [[40, 10], [20, 30]])
        assert even.images_behind(name) == pytest.approx(100)
        assert run(name, 0.5, None).images_behind(name) is None
    assert images_of({}) == (None, None)
    assert run("accuracy", 0.84, uneven).images_behind("accuracy") == 100
    # The variance of (r_1 + r_2) / 2 where r_1 is of 90 images and r_2 of 10, for equal r.
    evenly = run("macro_f1", 0.8, uneven).images_behind("macro_f1")
    assert evenly == pytest.approx(1 / ((1 / 90 + 1 / 10) / 4))


def test_the_floor_is_a_third_of_the_binomial_error_of_each_system() -> None:
    one = floor_of("accuracy", runs([0.8, 0.9], 10_000))
    variance = (0.8 * 0.2 + 0.9 * 0.1) / 2 / 10_000
    assert one is not None
    assert one.usual == pytest.approx(math.sqrt(variance) / 3)
    assert one.rounding == pytest.approx(math.sqrt(1 / 12) / 10_000)
    two = floor_of("accuracy", runs([0.8, 0.9], 10_000), runs([0.5, 0.5], 2_500))
    assert two is not None
    assert two.usual == pytest.approx(math.sqrt(variance + 0.25 / 2_500) / 3)
    assert two.rounding == pytest.approx(math.sqrt((1 + 4**2) / 12) / 10_000)
    # Nothing is wrong: a value is known to half an image all the same.
    assert floor_of("accuracy", runs([1.0], 100)) == Floor(
        0, pytest.approx(math.sqrt(1 / 12) / 100)
    )


def test_metrics_that_are_no_counts_have_no_floor_and_unknown_images_are_told() -> None:
    assert floor_of("psnr", [run("psnr", 30.0, None)]) == Floor()
    known, unknown = run("accuracy", 0.5, [[9]]), run("accuracy", 0.5, None)
    assert floor_of("accuracy", [known], [known, unknown]) is None


def test_a_small_spread_is_raised_and_a_usual_one_is_left() -> None:
    floor = Floor(0.002, 0.0001)
    assert floor.raised(0, 2) == pytest.approx(0.002 / math.sqrt(2))
    assert floor.raised(0.001, 4) == pytest.approx(math.sqrt((3 * 0.001**2 + 0.002**2) / 4))
    assert floor.raised(0, 10_000) == 0.0001  # no number of runs makes images smaller
    assert Floor().raised(0.001, 2) == 0.001
    for n in (2, 3, 30):
        assert floor.raised(0.0021, n) == pytest.approx(0.0021)
        assert floor.raised(0.001, n) > floor.raised(0.001, n + 1) > 0.001


NEAR_TIE = [0.0100, 0.0101]


@pytest.mark.parametrize(("images", "half"), [(10_000, 0.0106), (500, 0.0472)])
def test_two_seeds_that_nearly_agree_are_not_taken_for_certain(images: int, half: float) -> None:
    """One image of 10,000 apart: without a floor the interval is a tenth of a point wide."""
    floor = floor_of("accuracy", runs([0.86, 0.86], images), runs([0.85, 0.85], images))
    assert floor is not None
    binomial = (0.86 * 0.14 + 0.85 * 0.15) / images
    error = math.sqrt((0.00005**2 * 2 + binomial / 9) / 2 / 2)
    assert stats.t.ppf(0.975, 1) * error == pytest.approx(half, rel=0.01)
    interval, plain = t_interval(NEAR_TIE, floor=floor), t_interval(NEAR_TIE)
    assert interval == pytest.approx((0.01005 - half, 0.01005 + half), abs=1e-4)
    assert plain is not None and plain[1] - plain[0] < 0.0013
    assert t_test(NEAR_TIE) < 0.05
    assert t_test(NEAR_TIE, floor=floor) == pytest.approx(2 * stats.t.sf(0.01005 / error, 1))
    assert judge(Sample(NEAR_TIE), HIGHER).verdict == "undecided"


def test_interval_test_bootstrap_effect_size_and_number_of_runs_have_one_floor() -> None:
    floor = Floor(0.004, 0.0001)
    values = [0.0100, 0.0101, 0.0103, 0.0104]
    mean, sd = float(np.mean(values)), float(np.std(values, ddof=1))
    stretch = floor.raised(sd, 4) / sd
    assert stretch > 5
    wide = [t_interval(values, floor=floor), bootstrap_interval(values, floor=floor)]
    plain = [t_interval(values), bootstrap_interval(values)]
    for stretched, ends in zip(wide, plain, strict=True):
        assert stretched is not None and ends is not None
        assert np.subtract(stretched, mean) == pytest.approx(stretch * np.subtract(ends, mean))
    found = paired(dict(enumerate(values)), dict.fromkeys(range(4), 0.0), floor=floor)
    assert found is not None and found.effect_size is not None
    assert found.p == pytest.approx(2 * stats.t.sf(found.effect_size * 2, 3))
    assert found.p == pytest.approx(t_test(values, floor=floor))
    assert found.sd == pytest.approx(sd)
    # What is planned with is the spread to go by, not one that is small by accident.
    assert found.runs_needed(0.003) == runs_needed([0.003], floor.raised(sd, 4), floor=floor)
    # The floor holds for the runs that are planned, too: their own spread is raised likewise.
    least = runs_needed([0.003], 1e-9, floor=floor)
    for count, enough in ((least, True), (least - 1, False)):
        error = floor.raised(1e-9, count) / math.sqrt(count)
        critical = stats.t.ppf(0.975, count - 1)
        power = stats.nct.sf(critical, count - 1, 0.003 / error)
        assert (power >= 0.8) == enough


FAMILY, FAMILIES = 25, 120


def counted(
    draw: np.random.Generator, sd: float, count: int, images: int, effect: float = 0.0
) -> tuple[NDArray[np.float64], Floor]:
    """Differences of accuracies of 85 %, which are counts, `(FAMILY * FAMILIES, count)`."""
    both = draw.normal(0.85, sd / math.sqrt(2), (2, FAMILY * FAMILIES, count))
    first, second = np.round((both + np.array([[[effect]], [[0.0]]])) * images) / images
    floor = floor_of("accuracy", runs([0.85 + effect], images), runs([0.85], images))
    assert floor is not None
    return np.round(first - second, 12), floor


def t_tests(values: NDArray[np.float64], floor: Floor) -> NDArray[np.float64]:
    return np.array([t_test(each, floor=floor) for each in values.tolist()])


@pytest.mark.parametrize("images", [500, 10_000])
@pytest.mark.parametrize("count", [2, 3, 5])
def test_systems_that_are_alike_get_a_false_verdict_in_at_most_one_of_twenty(
    count: int, images: int
) -> None:
    """Alone, and as a family of 25 claims of which any may be wrong."""
    values, floor = counted(np.random.default_rng(count), 0.004, count, images)
    p = t_tests(values, floor)
    assert (p < 0.05).mean() <= stats.binom.ppf(0.999, len(p), 0.05) / len(p)
    families = [min(holm(each)) < 0.05 for each in p.reshape(-1, FAMILY).tolist()]
    assert sum(families) <= stats.binom.ppf(0.999, FAMILIES, 0.05)
    assert (p[values.min(1) == values.max(1)] == 1).all()
    assert p.min() > 0


@pytest.mark.parametrize(("sd", "lost"), [(0.002, 0.09), (0.004, 0.02), (0.008, 0.01)])
@pytest.mark.parametrize("count", [3, 5])
def test_a_usual_spread_loses_no_power(sd: float, lost: float, count: int) -> None:
    values, floor = counted(np.random.default_rng(7), sd, count, 10_000, 2.5 * sd)
    plain = t_tests(values, Floor()) < 0.05
    with_floor = t_tests(values, floor) < 0.05
    assert plain.mean() > 0.5
    assert plain.mean() - lost < with_floor.mean() <= plain.mean()


def test_a_floor_never_makes_a_p_smaller() -> None:
    draw = np.random.default_rng(0)
    for _ in range(200):
        values = draw.normal(0, 0.002, draw.integers(2, 8)).tolist()
        assert t_test(values, floor=Floor(*draw.uniform(0, 0.004, 2))) >= t_test(values)


def test_equal_values_spoil_no_other_claim_of_the_family() -> None:
    """A tie has a p of 1: it counts in the family, and cannot be the one that is significant."""
    clear = t_test(differences({0: 0.9, 1: 0.91, 2: 0.9}, {0: 0.8, 1: 0.8, 2: 0.8}, [0, 1, 2]))
    tied = t_test([0.03, 0.03])
    assert holm([tied, clear]) == pytest.approx([1, 2 * clear])

"""The statistics against scipy, statsmodels and simulation, and which runs count as a row's."""

from __future__ import annotations

import itertools
import json
import logging
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from evidence_runs import changed, plant
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

import wye.evidence.paired
from wye.evidence.collect import runs_by_row
from wye.evidence.floor import Floor
from wye.evidence.mcnemar import clustered_mcnemar, mcnemar
from wye.evidence.measured import measured_figures
from wye.evidence.paired import (
    MOST_RUNS,
    bootstrap_interval,
    overlap,
    paired,
    runs_needed,
    t_interval,
    t_test,
)
from wye.evidence.verdict import holm
from wye.recipe import recipe_from_row
from wye.recipe.identity import protocol_of, protocols_of
from wye.runs.run import Run

COMPARISONS = 2000


def accuracies(seed: int, count: int, mean: float = 0.85) -> list[float]:
    return np.random.default_rng(seed).normal(mean, 0.005, count).round(4).tolist()


def by_seed(values: list[float]) -> dict[int, float]:
    return dict(enumerate(values))


@pytest.mark.parametrize("count", [2, 3, 5, 30])
def test_a_comparison_agrees_with_scipy(count: int) -> None:
    first, second = accuracies(1, count), accuracies(2, count, 0.848)
    found = paired(by_seed(first), by_seed(second))
    expected = stats.ttest_rel(first, second)
    between = expected.confidence_interval(0.95)
    assert found is not None and found.interval is not None and found.sd is not None
    assert found.mean == pytest.approx(np.mean(first) - np.mean(second))
    assert found.interval == pytest.approx((between.low, between.high))
    assert found.p == pytest.approx(expected.pvalue)
    assert found.effect_size == pytest.approx(expected.statistic / math.sqrt(count))
    assert (found.first.mean, found.second.sd) == pytest.approx(
        (np.mean(first), np.std(second, ddof=1))
    )


def test_seeds_without_a_pair_are_left_out() -> None:
    found = paired({0: 0.5, 2: 0.7, 5: 0.9}, {2: 0.6, 3: 0.1, 5: 0.7})
    assert found is not None
    assert found.seeds == (2, 5)
    assert found.mean == pytest.approx(0.15)
    assert found.first.mean == pytest.approx(0.8)
    assert paired({0: 0.5}, {1: 0.5}) is None


def test_one_pair_has_a_difference_and_no_interval() -> None:
    found = paired({4: 0.5}, {4: 0.25})
    assert found is not None
    assert (found.mean, found.seeds) == (0.25, (4,))
    assert [found.sd, found.interval, found.bootstrap, found.p, found.effect_size] == [None] * 5


@pytest.mark.filterwarnings("error")
def test_differences_that_do_not_vary_are_evidence_of_nothing() -> None:
    # 0.8534 - 0.8432 and 0.8535 - 0.8433 are not equal in floating point.
    found = paired({0: 0.8534, 1: 0.8535, 2: 0.1102}, {0: 0.8432, 1: 0.8433, 2: 0.1})
    assert found is not None
    alike = paired({0: 0.7, 1: 0.8}, {0: 0.7, 1: 0.8}, floor=Floor(0.01))
    for tied, mean in ((found, 0.0102), (alike, 0)):
        assert tied is not None and tied.ties
        assert (tied.mean, tied.sd, tied.p, tied.effect_size) == (mean, 0, 1, None)
        assert tied.interval is tied.bootstrap is tied.runs_needed(0.01) is None
    with pytest.raises(ValueError, match="says nothing of how many"):
        runs_needed([0.01], 0)


@pytest.mark.parametrize("count", [3, 10])
def test_equal_systems_differ_in_one_of_twenty_comparisons(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """2,000 comparisons of systems of equal accuracy, seeds and test images adding to the noise."""
    monkeypatch.setattr(wye.evidence.paired, "bootstrap_interval", lambda *_, floor: (0.0, 0.0))
    draw = np.random.default_rng(count)
    common = draw.normal(0.85, 0.004, (COMPARISONS, 1, count))
    both = (common + draw.normal(0, 0.003, (COMPARISONS, 2, count))).round(4)
    false, missed = 0, 0
    for first, second in both.tolist():
        found = paired(by_seed(first), by_seed(second))
        assert found is not None and found.p is not None
        false += found.p < 0.05
        missed += found.interval is not None and not found.interval[0] <= 0 <= found.interval[1]
    low, high = stats.binom.interval(0.999, COMPARISONS, 0.05)
    assert low <= false <= high
    assert abs(missed - false) <= 1


def test_overlapping_splits_differ_in_one_of_twenty_comparisons_once_corrected() -> None:
    """Nadeau and Bengio's correction is exact for splits that correlate as the share held out."""
    share, count = 0.15, 5
    added = share / (1 - share)
    draw = np.random.default_rng(0)
    between = draw.normal(0, math.sqrt(share), (COMPARISONS, 1))
    values = between + draw.normal(0, math.sqrt(1 - share), (COMPARISONS, count))
    low, high = stats.binom.interval(0.999, COMPARISONS, 0.05)
    assert low <= sum(t_test(each, overlap=added) < 0.05 for each in values.tolist()) <= high
    assert sum(t_test(each) < 0.05 for each in values.tolist()) > high
    one = values[0].tolist()
    plain, wide = t_interval(one), t_interval(one, overlap=added)
    assert plain is not None and wide is not None
    ratio = math.sqrt(1 + count * added)
    assert (wide[1] - wide[0]) / (plain[1] - plain[0]) == pytest.approx(ratio)


def test_only_splits_overlap() -> None:
    splits = recipe_from_row("pretrain/cnn")
    assert (splits.evaluation.splits, splits.data.validation) == (5, 0.15)
    assert overlap(splits, recipe_from_row("joint/v1")) == pytest.approx(0.15 / 0.85)
    assert overlap(recipe_from_row("joint/v1")) == 0
    values = by_seed([0.7, 0.72, 0.69])
    found = paired(values, by_seed([0.6, 0.65, 0.64]), 0.15 / 0.85)
    assert found is not None and found.bootstrap is None and found.interval is not None


def test_the_bootstrap_is_that_of_independent_values() -> None:
    values = np.random.default_rng(3).normal(0.01, 0.02, 200).tolist()
    found = bootstrap_interval(values)
    assert found == bootstrap_interval(values) != bootstrap_interval(values, seed=1)
    assert found == pytest.approx(t_interval(values), abs=3e-4)
    skewed = np.random.default_rng(3).exponential(0.01, 60)
    ends = bootstrap_interval(skewed.tolist())
    assert ends is not None
    low, high = ends
    assert high - skewed.mean() > skewed.mean() - low  # as a symmetric interval would not have it


@pytest.mark.parametrize("size", [0.1, 0.2, 0.45, 0.8, 1.3, 2.5])
def test_runs_needed_agree_with_statsmodels(size: float) -> None:
    expected = TTestPower().solve_power(size, alpha=0.05, power=0.8, alternative="two-sided")
    assert runs_needed([size * 0.003], 0.003) == math.ceil(expected)


def test_runs_needed_have_ends() -> None:
    assert runs_needed([1e-6], 0.01) == runs_needed([0.0, 1], 0.01) == MOST_RUNS + 1
    assert runs_needed([100.0], 0.01) == 2
    # However many splits of one set of images there are, they say only so much.
    assert (
        runs_needed([0.01], 0.01, overlap=0.15 / 0.85) == MOST_RUNS + 1 > runs_needed([0.01], 0.01)
    )


@pytest.mark.parametrize("effect", [0.0, 0.004])
def test_so_many_runs_show_equivalence_four_times_of_five(effect: float) -> None:
    margin, sd = 0.01, 0.008
    needed = runs_needed([margin - effect, margin + effect], sd)

    def shown(count: int) -> float:
        values = np.random.default_rng(0).normal(effect, sd, (20_000, count))
        half = stats.t.ppf(0.975, count - 1) * values.std(1, ddof=1) / math.sqrt(count)
        return float((np.abs(values.mean(1)) + half < margin).mean())

    assert shown(needed) > 0.79
    assert shown(needed - 2) < 0.8


def test_mcnemar_agrees_with_statsmodels() -> None:
    draw = np.random.default_rng(5)
    for images, chance in ((40, 0.7), (400, 0.8), (2000, 0.9)):
        first, second = draw.random((2, images)) < [[chance], [chance - 0.03]]
        table = [[int((a & b).sum()) for b in (second, ~second)] for a in (first, ~first)]
        exact = statsmodels_mcnemar(table, exact=True)
        found = mcnemar(first, second)
        assert (found.only_first, found.only_second) == (table[0][1], table[1][0])
        assert found.p == pytest.approx(exact.pvalue)
        asymptotic = statsmodels_mcnemar(table, exact=False, correction=False)
        assert clustered_mcnemar([(first, second)]).p == pytest.approx(asymptotic.pvalue)
    alike = np.ones(10, dtype=bool)
    assert mcnemar(alike, alike).p == clustered_mcnemar([(alike, alike)] * 2).p == 1


def test_answers_to_the_same_image_are_not_counted_as_independent() -> None:
    """Some images suit one system and some the other, in every seed; neither is better."""
    draw = np.random.default_rng(6)
    images, seeds = 300, 5
    clustered = added_up = 0
    for _ in range(1000):
        suits = draw.integers(0, 2, images).astype(bool)
        first = draw.random((seeds, images)) < np.where(suits, 0.95, 0.75)
        second = draw.random((seeds, images)) < np.where(suits, 0.75, 0.95)
        clustered += clustered_mcnemar(list(zip(first, second, strict=True))).p < 0.05
        added_up += mcnemar(first.ravel(), second.ravel()).p < 0.05
    low, high = stats.binom.interval(0.999, 1000, 0.05)
    assert low <= clustered <= high
    assert added_up > high


@pytest.mark.parametrize("count", [1, 5, 40])
def test_the_correction_for_many_claims_agrees_with_statsmodels(count: int) -> None:
    p_values = np.random.default_rng(count).beta(0.3, 3, count).tolist()
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])
    assert holm([]) == []


def test_runs_are_told_apart_by_their_settings(tmp_path: Path) -> None:
    for seed in (0, 3):
        plant(tmp_path, "joint/v1", seed, accuracy=0.58 + seed / 100)
    short = recipe_from_row("joint/v1", "short")
    plant(tmp_path, short, 0, accuracy=0.5)
    plant(tmp_path, short.model_copy(update={"protocol": "paper"}), 1, "mislabelled", accuracy=0.51)
    plant(tmp_path, changed("joint/v1", train={"lr": 0.02}), 7, accuracy=0.1)
    plant(tmp_path, changed("joint/v1", data={"name": "shapes"}), 8, accuracy=0.2)
    plant(tmp_path, changed("joint/v1", seeds={"subset": 1}), 9, accuracy=0.3)
    plant(tmp_path, "joint/v2", 0, status="truncated", accuracy=0.4)
    found = runs_by_row(tmp_path)
    assert {key: list(runs) for key, runs in found.items()} == {
        ("joint/v1", "paper"): [0, 3],
        ("joint/v1", "short"): [0, 1],
    }
    assert found["joint/v1", "short"][1][0].metrics["accuracy"] == 0.51


def test_a_row_as_long_under_both_protocols_has_its_runs_under_both(tmp_path: Path) -> None:
    row = "autoencoders/conv-shallow"
    recipe = recipe_from_row(row)
    assert recipe.train.epochs == recipe_from_row(row, "short").train.epochs
    plant(tmp_path, row, 0, psnr=25.0)
    assert set(runs_by_row(tmp_path)) == {(row, "paper"), (row, "short")}
    assert (protocols_of(recipe), protocol_of(recipe)) == (("paper", "short"), "paper")
    assert protocol_of(changed(row, train={"epochs": 3})) is None


def test_of_one_seed_the_first_by_path_counts(tmp_path: Path) -> None:
    for place, accuracy in (("b", 0.9), ("a", 0.6), ("c", 0.7)):
        plant(tmp_path, "joint/v1", 0, place, accuracy=accuracy)
    plant(tmp_path, "joint/v1", 1, "d", accuracy=0.62)
    plant(tmp_path, recipe_from_row("joint/v1", "short"), 2, accuracy=0.1)
    assert list(measured_figures(tmp_path)) == ["joint/v1"]
    found = measured_figures(tmp_path)["joint/v1"]["accuracy"]
    assert found.pop("protocol") == "paper"
    assert found == pytest.approx({"mean": 0.61, "sd": math.sqrt(0.0002), "n": 2, "shipped": 0})


DAMAGE = {
    "no recipe": lambda path: (path / "recipe.yaml").unlink(),
    "half a result": lambda path: (path / "result.json").write_text('{"status": "comp'),
    "a list": lambda path: (path / "result.json").write_text("[1]"),
    "no status": lambda path: (path / "result.json").write_text("{}"),
    "a word for a figure": lambda path: (path / "result.json").write_text(
        json.dumps({"status": "complete", "test": {"accuracy": "high"}})
    ),
    "a list for the figures": lambda path: (path / "result.json").write_text(
        json.dumps({"status": "complete", "test": [0.5]})
    ),
    "half a recipe": lambda path: (path / "recipe.yaml").write_text("row: {"),
    "no text": lambda path: (path / "recipe.yaml").write_bytes(b"\xff\xfe\x00row"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_folder_is_left_out_with_a_warning(
    damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plant(tmp_path, "joint/v1", 0, accuracy=0.6)
    DAMAGE[damage](plant(tmp_path, "joint/v1", 1, accuracy=0.7))
    with caplog.at_level(logging.WARNING, "wye"):
        [runs] = runs_by_row(tmp_path).values()
    assert list(runs) == [0]
    [record] = caplog.records
    assert "seed-1" in record.getMessage() and "damaged" in record.getMessage()


def test_a_run_of_settings_that_are_no_more_is_left_out(tmp_path: Path) -> None:
    path = plant(tmp_path, "joint/v1", 0, accuracy=0.6)
    text = (path / "recipe.yaml").read_text()
    (path / "recipe.yaml").write_text(text + "temperature: 3\n")
    assert runs_by_row(tmp_path) == {}


def test_predictions_are_read_back(tmp_path: Path) -> None:
    right = torch.tensor([True, False, True])
    labels, predicted = Run(plant(tmp_path, "joint/v1", 0, right=right)).predictions()
    assert labels.tolist() == [1, 1, 1] and predicted.tolist() == [1, 0, 1]
    assert labels.dtype == predicted.dtype == torch.int64


def test_every_pair_of_statistics_is_that_of_the_reverse(tmp_path: Path) -> None:
    first, second = by_seed(accuracies(1, 6)), by_seed(accuracies(2, 6))
    one, other = paired(first, second), paired(second, first)
    assert one is not None and other is not None and one.interval and other.interval
    assert one.mean == pytest.approx(-other.mean)
    assert one.interval == pytest.approx((-other.interval[1], -other.interval[0]))
    assert one.p == pytest.approx(other.p)
    pairs = itertools.pairwise(np.random.default_rng(0).random((4, 50)) < 0.5)
    for a, b in pairs:
        assert mcnemar(a, b).p == pytest.approx(mcnemar(b, a).p)

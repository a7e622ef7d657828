"""The page of the study `when`: gains paired by seed, their panels, the sweep."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from report_runs import FakeRun, Page, page_of, study_run
from scipy import stats

from wye.evidence.gains import Condition, Gain, conditions, sweep
from wye.report.grouping import group
from wye.report.when_page import accuracies, answers, sentence

BASE = {0: 0.50, 1: 0.52, 2: 0.49}
JOINT = {0: 0.53, 1: 0.54, 2: 0.53}


def arm(
    tmp_path: Path, levels: str, accuracy: Mapping[int, float], protocol: str = "short"
) -> list[FakeRun]:
    return [
        study_run(tmp_path, f"when/{levels}", protocol, seed=seed, accuracy=value)
        for seed, value in accuracy.items()
    ]


def test_gain_is_paired_by_seed_with_a_t_interval(tmp_path: Path) -> None:
    runs = arm(tmp_path, "classifier-50-blur-even", {**BASE, 7: 0.1})
    runs += arm(tmp_path, "joint-50-blur-even", {**JOINT, 9: 0.9})
    [found] = conditions(accuracies(group(runs)))
    each = [100 * (JOINT[seed] - BASE[seed]) for seed in BASE]
    expected = stats.ttest_1samp(each, 0).confidence_interval(0.95)
    gain = found.gains["joint"][50]
    assert gain.n == 3
    assert gain.mean == pytest.approx(sum(each) / 3)
    assert (gain.low, gain.high) == pytest.approx((expected.low, expected.high))
    assert found.base[50].n == 4
    assert (found.corruption, found.balance) == ("blur", "even")


def test_what_gives_no_gain(tmp_path: Path) -> None:
    alone = arm(tmp_path, "joint-50-clean-even", JOINT)
    assert conditions(accuracies(group(alone)))[0].gains == {}
    others = arm(tmp_path, "classifier-50-clean-even", {5: 0.5})
    assert conditions(accuracies(group(alone + others)))[0].gains == {}
    cut = arm(tmp_path, "classifier-50-clean-even", {0: 0.5})
    assert cut[0].result is not None
    cut[0].result["status"] = "truncated"
    assert conditions(accuracies(group(alone + cut)))[0].gains == {}
    single = arm(tmp_path, "classifier-50-clean-even", {0: 0.5})
    gain = conditions(accuracies(group(alone + single)))[0].gains["joint"][50]
    assert (gain.low, gain.high, gain.n, gain.sign) == (None, None, 1, 0)


def test_equal_gains_have_no_interval_and_no_sign(tmp_path: Path) -> None:
    """0.8534 - 0.8432 and 0.8535 - 0.8433 are equal but for floating point."""
    runs = arm(tmp_path, "joint-50-clean-even", {0: 0.8534, 1: 0.8535})
    runs += arm(tmp_path, "classifier-50-clean-even", {0: 0.8432, 1: 0.8433})
    gain = conditions(accuracies(group(runs)))[0].gains["joint"][50]
    assert gain.mean == pytest.approx(1.02)
    assert (gain.low, gain.high, gain.n, gain.sign) == (None, None, 2, 0)
    assert "+1.0 (2)" in page_of(*runs).text


def test_conditions_and_arms_follow_the_study_file(tmp_path: Path) -> None:
    runs = []
    for where in ("noise-even", "clean-uneven", "clean-even"):
        for name in ("jigsaw", "classifier", "joint"):
            for labels in (1000, 50):
                runs += arm(tmp_path, f"{name}-{labels}-{where}", BASE)
    found = conditions(accuracies(group(runs)))
    assert [(of.corruption, of.balance) for of in found] == [
        ("clean", "even"),
        ("noise", "even"),
        ("clean", "uneven"),
    ]
    assert [list(of.gains) for of in found] == [["joint", "jigsaw"]] * 3
    assert list(found[0].gains["joint"]) == [50, 1000]


def test_page_shows_panel_table_and_sweep(tmp_path: Path) -> None:
    runs = arm(tmp_path, "classifier-50-blur-even", BASE)
    runs += arm(tmp_path, "joint-50-blur-even", JOINT)
    runs += arm(tmp_path, "sweep-1-0", {0: 0.5, 1: 0.6}) + arm(tmp_path, "sweep-1-10", {0: 0.7})
    page = page_of(*runs)
    each = [100 * (JOINT[seed] - BASE[seed]) for seed in BASE]
    ends = stats.ttest_1samp(each, 0).confidence_interval(0.95)
    shown = f"+{sum(each) / 3:.1f} [{ends.low:+.1f}, {ends.high:+.1f}] (3)".replace("-", "−")
    assert page.line(0, "blur") == ["blur", "even", "50", "50.33 ± 1.53 (3)", shown]
    assert page.line(1, "1") == ["1", "55.00 ± 7.07 (2)", "70.00 (1)"]
    assert "short: 4 epochs instead of 20" in page.text
    [panel] = [a for a in page.all("svg") if "gain in points" in str(a.get("aria-label"))]
    assert "joint: +3.0 at 50" in str(panel["aria-label"])


def test_protocols_answer_apart(tmp_path: Path) -> None:
    runs = arm(tmp_path, "classifier-50-blur-even", BASE, "paper")
    runs += arm(tmp_path, "joint-50-blur-even", JOINT, "short")
    paper, short = answers(group(runs))
    assert (paper["panels"], short["panels"]) == ([], [])
    runs += arm(tmp_path, "joint-50-blur-even", {0: 0.51}, "paper")
    paper, short = answers(group(runs))
    assert len(paper["panels"]) == 1
    assert paper["lines"][0]["gains"][0].mean == pytest.approx(1.0)
    assert short["panels"] == []


def test_shades_of_the_sweep_rise_with_accuracy(tmp_path: Path) -> None:
    cells = {"0.3-0": 0.4, "1-0.1": 0.5, "3-10": 0.6}
    rows = group(
        [run for name, a in cells.items() for run in arm(tmp_path, f"sweep-{name}", {0: a})]
    )
    found = sweep(accuracies(rows))
    assert found is not None
    assert (found.alphas, found.betas) == (["0.3", "1", "3"], ["0", "0.1", "10"])
    lines = answers(rows)[0]["sweep"]["lines"]
    heats = [cell["heat"] for _, cells in lines for cell in cells if cell]
    assert heats == pytest.approx([0, 0.3, 0.6])


def test_sentence_counts_what_chance_would_give() -> None:
    sure, down, open_ = Gain(2, 1, 3, 3), Gain(-2, -3, -1, 3), Gain(1, -1, 3, 3)
    gains = dict(enumerate((sure, sure, down, open_, Gain(5, None, None, 1))))
    text = sentence([Condition("clean", "even", {}, {"joint": gains})])
    assert "Of 4 comparisons" in text
    assert "above zero in 2 and below in 1" in text
    assert "about 0.2 of them" in text
    assert "1 more have a single seed" in text


def test_page_without_a_comparison_says_so(tmp_path: Path) -> None:
    runs = arm(tmp_path, "joint-50-blur-even", {0: 0.5}) + arm(
        tmp_path, "joint-250-blur-even", {0: 0.5}
    )
    page: Page = page_of(*runs)
    assert "No arm has a finished run" in page.text

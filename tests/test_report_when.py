"""The page of the study `when`: gains paired by seed, their panels, the sweep."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_runs import FakeRun, Page, page_of, study_run
from scipy import stats

from wye.report.gain_panel import MARKS, gain_panel, span, spread_out
from wye.report.gains import Condition, Gain, accuracies, conditions, sweep
from wye.report.grouping import group
from wye.report.when_page import answers, sentence

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


LINES = {
    "joint": {50: Gain(2.0, 1.0, 3.0, 3), 1000: Gain(-1.0, -2.0, 0.0, 3)},
    "jigsaw": {50: Gain(0.5, None, None, 1)},
}
ARMS, LABELS = ["joint", "denoising", "jigsaw"], [50, 250, 1000]


def test_panel_draws_values_where_they_belong() -> None:
    drawn = ET.fromstring(gain_panel("a <b> & c", LINES, ARMS, LABELS, (-3.0, 3.0)))
    groups = {str(g.get("class")): g for g in drawn.iter("g")}
    assert set(groups) == {"arm arm0", "arm arm2"}
    at = [
        tuple(map(float, re.findall(r"[\d.]+", str(p.get("transform")))))
        for p in groups["arm arm0"].iter("path")
        if p.get("class") == "point"
    ]
    lines = {str(e.get("class")): float(str(e.get("y1"))) for e in drawn.iter("line")}
    ticks = {
        e.text: float(str(e.get("y"))) - 3.5 for e in drawn.iter("text") if e.get("class") == "tick"
    }
    assert lines["zero"] == pytest.approx(ticks["0"])
    assert at[0][1] == pytest.approx(ticks["+2"], abs=0.2)
    assert at[1][1] == pytest.approx((ticks["0"] + ticks["−2"]) / 2, abs=0.2)
    assert at[0][0] < at[1][0]
    bars = [str(p.get("d")) for p in groups["arm arm0"].iter("path") if p.get("class") == "bar"]
    low, high = (float(value) for value in re.findall(r" ([\d.]+)V([\d.]+)", bars[0])[0])
    assert (low + high) / 2 == pytest.approx(at[0][1], abs=0.2)
    assert not [p for p in groups["arm arm2"].iter("path") if p.get("class") == "bar"]
    names = [e.text for e in drawn.iter("text") if str(e.get("class")).startswith("name")]
    assert sorted(names) == ["jigsaw", "joint"]
    assert "joint: +2.0 at 50, −1.0 at 1000" in str(drawn.get("aria-label"))


def test_numbers_of_labels_stand_on_a_logarithmic_axis() -> None:
    lines = {"joint": {n: Gain(1.0, None, None, 1) for n in (10, 100, 1000)}}
    drawn = ET.fromstring(gain_panel("x", lines, ["joint"], [10, 100, 1000], (-1.0, 2.0)))
    x = [float(re.findall(r"[\d.]+", str(p.get("transform")))[0]) for p in drawn.iter("path")
         if p.get("class") == "point"]  # fmt: skip
    assert x[1] - x[0] == pytest.approx(x[2] - x[1], abs=0.2)


def test_interval_beyond_the_axis_is_cut_and_open() -> None:
    lines = {"joint": {50: Gain(1.0, -400.0, 402.0, 2)}}
    drawn = gain_panel("x", lines, ["joint"], [50], (-3.0, 3.0))
    bar = re.findall(r'class="bar" d="([^"]*)"', drawn)[0]
    assert "h5" not in bar
    assert all(30 < float(y) < 240 for y in re.findall(r"[ V]([\d.]+)", bar))


def test_axis_holds_zero_and_every_mean_and_no_wild_interval() -> None:
    low, high = span([Gain(2, -50, 54, 2), Gain(-1, -1.5, -0.5, 9)])
    assert low < -1.5
    assert 2 < high < 8
    assert span([]) == pytest.approx((-0.04, 0.04))


@given(st.lists(st.floats(0, 300), max_size=6).map(sorted))
def test_names_are_moved_apart_within_the_panel(heights: list[float]) -> None:
    placed = spread_out(heights, 13, 34, 234)
    assert all(b - a >= 13 - 1e-6 for a, b in pairwise(placed))
    assert all(34 - 1e-6 <= y <= 234 + 1e-6 for y in placed)


def test_names_that_do_not_touch_stay() -> None:
    assert spread_out([50.0, 100.0, 200.0], 13, 34, 234) == [50.0, 100.0, 200.0]


def test_every_arm_has_its_own_mark() -> None:
    assert len(set(MARKS)) == len(MARKS) >= 5


def test_page_without_a_comparison_says_so(tmp_path: Path) -> None:
    runs = arm(tmp_path, "joint-50-blur-even", {0: 0.5}) + arm(
        tmp_path, "joint-250-blur-even", {0: 0.5}
    )
    page: Page = page_of(*runs)
    assert "No arm has a finished run" in page.text

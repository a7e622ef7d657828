"""Claims: their file, and the verdicts that planted runs with known effects must get."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import yaml
from evidence_runs import Command, changed, plant, plant_seeds
from scipy import stats
from statsmodels.stats.multitest import multipletests

import wye.evidence.findings
from wye.errors import UsageError
from wye.evidence.claims import Claim, load_claims, read_claims
from wye.evidence.findings import Finding, findings
from wye.evidence.verdict import Verdict
from wye.recipe import recipe_from_row
from wye.recipe.measured import measures

V1, V11, V12 = "joint/v1", "joint/v1.1", "joint/v1.2"
BETA0 = {row: f"{row}-beta0" for row in (V1, V11, V12)}
WOBBLE = (-0.001, 0.0, 0.001, 0.0)


def entry(name: str, metric: str = "accuracy", **form: Any) -> dict[str, Any]:
    return {"id": name, "says": f"{name}.", "where": "here", "metric": metric, **form}


MADE_UP = yaml.safe_dump(
    [
        entry("up", higher=V11, lower=V1),
        entry("far-up", higher=V11, lower=V1, margin=0.03),
        entry("both", higher=[V11, V12], lower=V1),
        entry("no-worse", higher=V11, lower=V1, margin=-0.01),
        entry("alike", same=[[V1, BETA0[V1]]], margin=0.01),
        entry("all-alike", same=[[V1, BETA0[V1]], [V11, BETA0[V11]]], margin=0.01),
        entry("level", row=V1, range=[0.57, 0.63]),
        entry("closer", "mse", higher=V1, lower=V11, published=0.004),
        entry("splits", higher="pretrain/transfer", lower="pretrain/cnn"),
    ]
)


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Claims of the test's own in the place of the studies'."""
    claims = read_claims(MADE_UP)
    monkeypatch.setattr(wye.evidence.findings, "load_claims", lambda: claims)


@pytest.fixture
def command(
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    in_empty_folder: Path,
) -> Command:
    return Command(capfd, caplog, monkeypatch)


def around(mean: float, scale: float = 1) -> list[float]:
    """Four accuracies about a mean."""
    return [mean + scale * step for step in WOBBLE]


def of(root: Path, name: str, protocol: str | None = "paper") -> Finding:
    [found] = findings(root, protocol, [name])
    return found


def test_the_file_has_every_study_and_its_rows_measure_what_is_claimed() -> None:
    claims = load_claims()
    assert len(claims) >= 40
    assert {claim.study for claim in claims} == {
        *("joint", "pretrain", "fashion5", "autoencoders", "practices"),
    }
    for claim in claims:
        assert claim.id[:2] in ("S0", "S1", "S2", "S3", "S4") and claim.says.endswith(".")
        for row in claim.rows:
            assert measures(recipe_from_row(row), claim.metric), (claim.id, row)


def test_what_the_file_says_was_published_is_what_the_rows_say() -> None:
    """But for study S1, whose texts print the best split and whose claims are of all of them."""
    checked = 0
    for claim in load_claims():
        recipes = [recipe_from_row(row) for row in claim.rows]
        printed = {one.row: one.printed().get(claim.metric) for one in recipes}
        right = {one.row: one.reference(claim.metric) for one in recipes}
        effects = [found for of in (printed, right) if (found := effects_of(claim, of))]
        if claim.published is None or claim.study == "pretrain" or not effects:
            continue
        least = [min(each, key=lambda e: -abs(e) if claim.same else e) for each in effects]
        assert any(claim.published == pytest.approx(e, abs=6e-5) for e in least), claim.id
        checked += 1
    assert checked > 45


def effects_of(claim: Claim, figures: Mapping[str, float | None]) -> list[float]:
    """Of the row, or of the pairs of which both were printed."""
    known = {row: value for row, value in figures.items() if value is not None}
    if claim.row:
        return [known[claim.row]] if claim.row in known else []
    return [known[a] - known[b] for a, b in claim.pairs if a in known and b in known]


@pytest.mark.parametrize(
    ("metric", "row", "measured"),
    [
        ("accuracy", "joint/v4", True),
        ("rare_recall", "joint/v4", False),
        ("rare_recall", "pretrain/cnn", True),
        ("accuracy", "pretrain/autoencoder", False),
        ("psnr", "joint/v4-no-decoder", False),
        ("psnr", "joint/v4-beta0", True),
        ("ssim_range2", "pretrain/autoencoder", True),
        ("ssim_range2", "joint/v4", False),
        ("judge_accuracy", "practices/baseline-cifar", True),
        ("judge_accuracy", "joint/v4", False),
        ("train_seconds", "joint/v4-no-decoder", True),
    ],
)
def test_a_metric_is_measured_where_there_is_what_it_measures(
    metric: str, row: str, measured: bool
) -> None:
    assert measures(recipe_from_row(row), metric) is measured


ENTRY = "{id: a, says: It is., where: here, metric: accuracy, "


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([f"higher: {V1}}}"], "as many rows"),
        ([f"higher: [{V1}, {V11}], lower: [{V1}, {V11}, {V12}]}}"], "as many rows"),
        ([f"higher: {V1}, lower: {V11}, row: {V1}, range: [0, 1]}}"], "or same, or row and range"),
        (["margin: 1}"], "or same, or row and range"),
        ([f"same: [[{V1}, {V11}]]}}"], "needs a margin"),
        ([f"same: [[{V1}]], margin: 1}}"], "same.0"),
        ([f"row: {V1}}}"], "needs a range"),
        ([f"row: {V1}, range: [1, 0]}}"], "lower end first"),
        ([f"row: {V1}, range: [0, 1], margin: 0.1}}"], "no margin"),
        ([f"same: [[{V1}, {V11}]], margin: -1}}"], "margin above 0"),
        ([f"higher: {V1}, lower: joint/v11}}"], "no row 'joint/v11'"),
        ([f"higher: {V1}, lower: pretrain/cnn}}"], "several studies"),
        ([f"higher: {V1}, lower: {V11}, how: so}}"], "how"),
        ([f"higher: {V1}, lower: {V11}}}"] * 2, "stands there twice"),
        (["row: pretrain/autoencoder, range: [0, 1]}"], "measure no accuracy"),
    ],
)
def test_an_entry_that_is_no_claim_is_told_by_its_name(entries: list[str], said: str) -> None:
    text = "\n".join(f"- {ENTRY}{entry}" for entry in entries)
    with pytest.raises(UsageError) as caught:
        read_claims(text)
    message = str(caught.value)
    assert message.startswith("claims.yaml: a") and said in message


def test_a_metric_of_a_claim_that_is_none_is_told() -> None:
    entry = ENTRY.replace("accuracy", "acuracy")
    with pytest.raises(UsageError, match=r"claims\.yaml: a.*did you mean 'accuracy'"):
        read_claims(f"- {entry}higher: {V1}, lower: {V11}}}")


def test_a_file_that_is_no_list_of_claims_is_told() -> None:
    for text in ("claims: {}", "- just words", "- [", ""):
        with pytest.raises(UsageError, match=r"claims\.yaml"):
            read_claims(text)


@pytest.mark.parametrize(
    ("name", "accuracies", "verdict", "effect"),
    [
        ("up", {V1: around(0.58), V11: around(0.6, -1)}, "supported", 0.02),
        ("up", {V1: around(0.58), V11: around(0.56, -1)}, "refuted", -0.02),
        ("up", {V1: around(0.58), V11: around(0.581, -2)}, "undecided", 0.001),
        ("up", {V1: [0.58], V11: [0.66]}, "undecided", 0.08),
        ("up", {V1: around(0.58)}, "no runs", None),
        ("up", {V1: [0.5] * 3, V11: [0.5] * 3}, "undecided", 0.0),
        ("up", {V1: [0.5, 0.6, 0.5], V11: [0.6, 0.7, 0.6]}, "undecided", 0.1),
        ("alike", {V1: [0.5, 0.51, 0.5], BETA0[V1]: [0.5, 0.51, 0.5]}, "undecided", 0.0),
        ("alike", {V1: [0.51] * 3, BETA0[V1]: [0.5] * 3}, "undecided", 0.01),
        ("level", {V1: [0.6] * 3}, "undecided", 0.6),
        # Certain by the t test alone; two seeds are never looked at.
        ("up", {V1: [0.5, 0.5], V11: [0.51, 0.5101]}, "undecided", 0.01005),
        ("level", {V1: [0.62, 0.6201]}, "undecided", 0.62005),
        ("far-up", {V1: around(0.58), V11: around(0.64, -1)}, "supported", 0.06),
        ("far-up", {V1: around(0.58), V11: around(0.6, -1)}, "refuted", 0.02),
        ("far-up", {V1: around(0.58), V11: around(0.611, -1)}, "undecided", 0.031),
        ("no-worse", {V1: around(0.58), V11: around(0.577, -1)}, "supported", -0.003),
        ("no-worse", {V1: around(0.58), V11: around(0.56, -1)}, "refuted", -0.02),
        ("no-worse", {V1: around(0.58), V11: around(0.571, -1)}, "undecided", -0.009),
        # One pair up by four points, the other down by one: the mean would support it.
        ("both", {V1: around(0.58), V11: around(0.62, 2), V12: around(0.57, -1)}, "refuted", -0.01),
        ("both", {V1: around(0.58), V11: around(0.62, 2), V12: around(0.6, -1)}, "supported", None),
        ("both", {V1: around(0.58), V11: around(0.62)}, "no runs", None),
        ("alike", {V1: around(0.58), BETA0[V1]: around(0.577, -1)}, "supported", 0.003),
        ("alike", {V1: around(0.58), BETA0[V1]: around(0.60, -1)}, "refuted", -0.02),
        ("alike", {V1: around(0.58), BETA0[V1]: around(0.571, -1)}, "undecided", 0.009),
        (
            "all-alike",
            {
                **{V1: around(0.58), BETA0[V1]: around(0.60, -1)},
                **{V11: around(0.58), BETA0[V11]: around(0.56, -1)},
            },
            "refuted",
            None,
        ),
        (
            "all-alike",
            {
                **{V1: around(0.58), BETA0[V1]: around(0.581, -1)},
                **{V11: around(0.58), BETA0[V11]: around(0.578, -1)},
            },
            "supported",
            0.002,
        ),
        ("level", {V1: around(0.6)}, "supported", 0.6),
        ("level", {V1: around(0.65)}, "refuted", 0.65),
        ("level", {V1: around(0.629)}, "undecided", 0.629),
    ],
)
def test_planted_effects_get_their_verdicts(
    name: str,
    accuracies: dict[str, list[float]],
    verdict: str,
    effect: float | None,
    tmp_path: Path,
    made_up: None,
) -> None:
    for row, each in accuracies.items():
        plant_seeds(tmp_path, row, each)
    found = of(tmp_path, name)
    assert found.verdict == verdict
    if effect is not None:
        assert found.effect == pytest.approx(effect, abs=1e-9)
    if verdict == "no runs":
        assert (found.n, found.effect, found.p, found.runs_needed) == (0, None, None, None)
    elif found.n < 3:
        assert (found.low, found.p, found.runs_needed) == (None, None, None)
        assert "the first look is at 3" in found.reason
    elif found.low is None:
        assert (found.p, found.p_corrected, found.runs_needed) == (1, 1, None)
        assert "all seeds give the same value" in found.note
    else:
        assert found.low is not None and found.high is not None and found.effect is not None
        assert found.low <= found.effect <= found.high
        assert (found.runs_needed is None) == (verdict != "undecided")


def test_the_interval_and_the_p_are_those_of_the_paired_t_test(
    tmp_path: Path, made_up: None
) -> None:
    """At three seeds, the first look, with three fifths of what all looks may spend."""
    first, second = [0.61, 0.625, 0.6], [0.58, 0.59, 0.575]
    plant_seeds(tmp_path, V11, first)
    plant_seeds(tmp_path, V1, second)
    found, beyond = of(tmp_path, "up"), of(tmp_path, "far-up")
    expected = stats.ttest_rel(first, second)
    interval = expected.confidence_interval(0.97)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.p == pytest.approx(expected.pvalue / 0.6)
    assert (found.n, found.seeds, found.unit) == (3, (0, 1, 2), "points")
    # A margin is what the effect is tested against; it moves the p and not the interval.
    assert (beyond.low, beyond.high) == (found.low, found.high)
    moved = stats.ttest_1samp(np.subtract(first, second), 0.03)
    assert beyond.p == pytest.approx(min(1, moved.pvalue / 0.6))


def test_only_seeds_that_every_row_has_count(tmp_path: Path, made_up: None) -> None:
    plant_seeds(tmp_path, V1, {0: 0.5, 1: 0.5, 2: 0.5, 4: 0.9})
    plant_seeds(tmp_path, V11, {1: 0.6, 2: 0.61, 3: 0.1, 4: 0.99})
    plant_seeds(tmp_path, V12, {1: 0.6, 2: 0.61, 7: 0.1})
    assert of(tmp_path, "up").seeds == (1, 2, 4)
    both = of(tmp_path, "both")
    assert both.seeds == (1, 2)
    assert both.effect == pytest.approx(0.105)


def test_runs_that_are_no_repeat_of_a_row_have_no_say(tmp_path: Path, made_up: None) -> None:
    plant_seeds(tmp_path, V1, around(0.58))
    plant_seeds(tmp_path, V11, around(0.6, -1))
    plant(tmp_path, changed(V11, train={"lr": 0.1}), 9, accuracy=0.1)
    plant(tmp_path, V1, 9, accuracy=0.9)
    plant(tmp_path, V1, 10, status="truncated", accuracy=0.9)
    (tmp_path / V11 / "seed-2" / "recipe.yaml").write_text("row: [")
    found = of(tmp_path, "up")
    assert found.seeds == (0, 1, 3) and found.verdict == "supported"


def test_a_seed_without_the_metric_does_not_count(tmp_path: Path, made_up: None) -> None:
    """An error that was no number any more is kept as null."""
    for seed, (first, second) in enumerate([(0.012, 0.01), (0.0125, 0.01), (math.nan, 0.01)]):
        plant(tmp_path, V1, seed, mse=first)
        plant(tmp_path, V11, seed, mse=second)
    found = of(tmp_path, "closer")
    assert (found.seeds, found.unit) == ((0, 1), "")
    assert found.effect == pytest.approx(0.00225)


def test_overlapping_splits_have_a_wider_interval(tmp_path: Path, made_up: None) -> None:
    first, second = [0.82, 0.81, 0.825], [0.73, 0.69, 0.73]
    plant_seeds(tmp_path, "pretrain/transfer", first)
    plant_seeds(tmp_path, "pretrain/cnn", second)
    found = of(tmp_path, "splits")
    differences = np.subtract(first, second)
    # Nadeau and Bengio 2003: 1/n + held out / trained on, in the place of 1/n.
    error = differences.std(ddof=1) * (1 / 3 + 0.15 / 0.85) ** 0.5
    low = differences.mean() - stats.t.ppf(1 - 0.03 / 2, 2) * error
    assert found.low == pytest.approx(low)
    assert found.p == pytest.approx(2 * stats.t.sf(differences.mean() / error, 2) / 0.6)


def test_a_tied_claim_is_one_of_those_that_were_tested(tmp_path: Path, made_up: None) -> None:
    plant_seeds(tmp_path, V1, [0.58, 0.58, 0.58])
    plant_seeds(tmp_path, V11, [0.60, 0.61, 0.63])
    plant_seeds(tmp_path, BETA0[V1], [0.58, 0.58, 0.58])
    by_id = {one.claim.id: one for one in findings(tmp_path) if one.p is not None}
    assert set(by_id) == {"up", "far-up", "no-worse", "alike", "level"}
    assert by_id["alike"].p == by_id["alike"].p_corrected == by_id["level"].p == 1
    first = by_id["up"]
    assert first.p is not None and first.p_corrected == pytest.approx(4 * first.p)


def test_the_correction_is_for_all_claims_that_were_tested(tmp_path: Path, made_up: None) -> None:
    plant_seeds(tmp_path, V1, [0.58, 0.583, 0.577])
    plant_seeds(tmp_path, V11, [0.589, 0.593, 0.592])
    plant_seeds(tmp_path, V12, [0.58, 0.6, 0.57])
    every = findings(tmp_path)
    tested = [one for one in every if one.p is not None]
    assert 2 < len(tested) < len(every)
    expected = multipletests([one.p for one in tested], method="holm")
    assert [one.p_corrected for one in tested] == pytest.approx(list(expected[1]))
    for one, rejected in zip(tested, expected[0], strict=True):
        assert one.verdict_corrected == (one.verdict if rejected else "undecided")
    # Asking for one claim alone does not make its evidence better.
    lost = next(one for one in tested if one.verdict != one.verdict_corrected)
    assert of(tmp_path, lost.claim.id) == lost
    assert all(one.p_corrected is None for one in every if one.p is None)


def test_two_rows_of_one_recipe_are_alike_for_certain(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """v4-end-to-end and v4-l2 are one system by two names."""
    rows = ["joint/v4-l2", "joint/v4-end-to-end"]
    claims = read_claims(
        yaml.safe_dump(
            [entry("same", same=[rows], margin=0.01), entry("up", higher=rows[0], lower=rows[1])]
        )
    )
    monkeypatch.setattr(wye.evidence.findings, "load_claims", lambda: claims)
    for row in rows:
        plant_seeds(tmp_path / "runs", row, [0.85, 0.86])
    same, up = findings(tmp_path / "runs")
    assert (same.verdict, up.verdict) == ("supported", "refuted")
    assert same.p is same.p_corrected is same.low is None
    assert same.verdict_corrected == "supported"
    assert "same, up: both rows are one recipe: alike for certain" in command("claims").out


def test_runs_that_do_not_say_of_how_many_images_are_told(tmp_path: Path, made_up: None) -> None:
    for row, accuracies in ((V1, [0.5] * 3), (V11, [0.51, 0.5101, 0.51])):
        for seed, accuracy in enumerate(accuracies):
            plant(tmp_path, row, seed, accuracy=accuracy, images=None if row == V1 else 10_000)
    found = of(tmp_path, "up")
    assert found.verdict == "supported" and "of how many test images" in found.note


def test_protocols_are_never_mixed(tmp_path: Path, made_up: None) -> None:
    plant_seeds(tmp_path, V1, around(0.58))
    plant_seeds(tmp_path, V11, around(0.6, -1), "short")
    assert of(tmp_path, "up").verdict == of(tmp_path, "up", "short").verdict == "no runs"
    plant_seeds(tmp_path, V1, around(0.5), "short")
    found = of(tmp_path, "up", "short")
    assert (found.verdict, found.protocol) == ("supported", "short")
    assert found.effect == pytest.approx(0.1)
    with pytest.raises(UsageError, match="no protocol 'long'"):
        findings(tmp_path, "long")


KEYS = {
    *("id", "study", "says", "where", "metric", "rows", "margin", "published", "protocol", "n"),
    *("effect", "low", "high", "p", "p_corrected", "verdict", "verdict_corrected", "runs_needed"),
    *("overlap", "note", "reason", "full_length"),
}


def test_the_command_tells_every_claim_of_the_studies(command: Command, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    for row, mean in (("joint/v4-blur", 0.6), ("joint/v4-blur-no-decoder", 0.55)):
        plant_seeds(runs, row, around(mean, 1 if mean == 0.6 else -1))
    answer = command("claims", "--json")
    entries: list[dict[str, Any]] = json.loads(answer.out)
    assert answer.status == 0 and len(entries) == len(load_claims()) >= 40
    assert all(set(entry) >= KEYS for entry in entries)
    assert [entry["id"] for entry in entries] == [claim.id for claim in load_claims()]
    decided = {entry["id"]: entry for entry in entries if entry["n"]}
    assert list(decided) == ["S0-C13", "S0-C13b"]
    one = decided["S0-C13"]
    assert (one["verdict"], one["study"], one["protocol"]) == ("supported", "joint", "paper")
    assert one["rows"] == ["joint/v4-blur", "joint/v4-blur-no-decoder"]
    assert one["effect"] == pytest.approx(0.05)
    assert {entry["verdict"] for entry in entries} == {"supported", "needs weights", "no runs"}
    # None is without a verdict and without the reason.
    assert all(bool(entry["reason"]) == (entry["n"] < 2) for entry in entries)
    weights = {entry["id"] for entry in entries if entry["verdict"] == "needs weights"}
    assert {"S0-C10b", "S0-C16a", "S4-Cb1", "S4-Cd"} <= weights and "S4-Cg1" not in weights
    [same] = json.loads(command("claims", "S0-C13", "--json").out)
    assert same == one


def test_the_table_begins_with_the_count_and_shows_what_was_printed(
    command: Command, tmp_path: Path, made_up: None
) -> None:
    runs = tmp_path / "runs"
    plant_seeds(runs, V1, [0.58, 0.583, 0.577])
    plant_seeds(runs, V11, [0.584, 0.583, 0.582])
    plant_seeds(runs, "pretrain/transfer", [0.82, 0.81], "short")
    plant_seeds(runs, "pretrain/cnn", [0.73, 0.69], "short")
    answer = command("claims")
    counts = Counter(one["verdict"] for one in json.loads(command("claims", "--json").out))
    words = (f"{counts[v]} {v}" for v in get_args(Verdict))
    assert answer.status == 0
    assert answer.out.splitlines()[0] == f"9 claims: {', '.join(words)}"
    lines = {line.split()[0]: line for line in answer.out.splitlines()[1:] if line.split()}
    assert "+0.30 points" in lines["up"] and "runs would decide" in lines["up"]
    assert " paper " in lines["up"] and " short " in lines["splits"]
    assert "+0.004000" in lines["closer"] and "no runs" in lines["closer"]
    assert "both: no run of joint/v1.2: wye study --decide both --hours 8" in answer.out
    assert "splits: the seeds are overlapping splits" in answer.out
    decided = command("claims", "--decided")
    shown = json.loads(command("claims", "--decided", "--json").out)
    assert {one["verdict"] for one in shown} == {"supported", "refuted"} and len(shown) < 9
    assert decided.out.splitlines()[0] == answer.out.splitlines()[0]
    assert " up " not in decided.out
    only = command("claims", "splits", "up", "--protocol", "short").out
    assert only.startswith("2 claims") and "+0.30 points" not in only


def test_runs_as_published_count_where_there_are_three_seeds_of_them(
    tmp_path: Path, made_up: None
) -> None:
    for row, mean in ((V1, 0.5), (V11, 0.52)):
        plant_seeds(tmp_path, row, [mean, mean + 0.001, mean - 0.001], "short")
    assert (of(tmp_path, "up", None).protocol, of(tmp_path, "up", None).n) == ("short", 3)
    for row, mean in ((V1, 0.6), (V11, 0.59)):
        plant_seeds(tmp_path, row, [mean])
    assert of(tmp_path, "up", None).protocol == "short"
    for row, mean in ((V1, 0.6), (V11, 0.592)):
        plant_seeds(tmp_path, row, {1: mean, 2: mean})
    found = of(tmp_path, "up", None)
    assert (found.protocol, found.n) == ("paper", 3)
    assert found.effect == pytest.approx(-0.026 / 3)
    assert of(tmp_path, "level", None).protocol == "paper"


def test_shorter_trainings_say_nothing_of_a_range_or_of_overfitting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = {"higher": V11, "lower": V1}
    entries = [entry("level", row=V1, range=[0.5, 0.6]), entry("fits", **pair, full_length=True)]
    claims = read_claims(yaml.safe_dump([*entries, entry("up", **pair)]))
    monkeypatch.setattr(wye.evidence.findings, "load_claims", lambda: claims)
    for row, mean in ((V1, 0.5), (V11, 0.52)):
        plant_seeds(tmp_path, row, around(mean), "short")
    found = {one.claim.id: one for one in findings(tmp_path, "short")}
    assert found["up"].n == 4 and found["level"].n == found["fits"].n == 0
    assert found["fits"].reason.startswith("shorter trainings say nothing of it: wye study")


def test_what_a_claim_lacks_is_said_with_the_command(tmp_path: Path, made_up: None) -> None:
    plant_seeds(tmp_path, V11, [0.6])
    plant_seeds(tmp_path, V1, {3: 0.58})
    assert "no run of pretrain/transfer, pretrain/cnn: wye study" in of(tmp_path, "splits").reason
    assert "no seed has runs of all rows" in of(tmp_path, "up").reason
    assert "the runs of joint/v1, joint/v1.1 have no mse" in of(tmp_path, "closer").reason
    plant_seeds(tmp_path, V1, [0.58])
    found = of(tmp_path, "up")
    assert found.reason == "one seed, and the first look is at 3: wye study --decide up --hours 8"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["S0-C99"], "no claim 'S0-C99'"),
        (["--protocol", "long"], "no protocol 'long'"),
    ],
)
def test_mistakes_are_told(arguments: list[str], said: str, command: Command) -> None:
    answer = command("claims", *arguments)
    assert answer.status == 2 and said in answer.err and answer.out == ""


def test_a_claim_says_where_its_effect_would_lie() -> None:
    by_id = {claim.id: claim for claim in read_claims(MADE_UP)}
    assert by_id["far-up"].region.ends == (0.03, math.inf)
    assert by_id["alike"].region.ends == (-0.01, 0.01)
    assert by_id["level"].region.ends == (0.57, 0.63) and by_id["level"].unit == "%"
    assert by_id["all-alike"].rows == (V1, BETA0[V1], V11, BETA0[V11])
    with pytest.raises(ValueError, match="frozen"):
        by_id["up"].margin = 1.0
    assert isinstance(by_id["up"], Claim)

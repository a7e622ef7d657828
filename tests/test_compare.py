"""`wye compare`: what it takes, what it refuses, and what it says of planted runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from evidence_runs import Command, changed, plant, plant_seeds
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar

import wye
from wye.errors import UsageError
from wye.recipe import Recipe, recipe_from_row
from wye.runs.run import Run

pytestmark = pytest.mark.usefixtures("without_plots")

A, B = "joint/v4-l2", "joint/v4-beta0"
FIRST, SECOND = [0.853, 0.851, 0.857, 0.849], [0.848, 0.850, 0.846, 0.847]


@pytest.fixture
def command(
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    in_empty_folder: Path,
) -> Command:
    return Command(capfd, caplog, monkeypatch)


@pytest.fixture
def runs(in_empty_folder: Path) -> Path:
    return in_empty_folder / "runs"


def right(seed: int, images: int = 200) -> torch.Tensor:
    return torch.rand(images, generator=torch.Generator().manual_seed(seed)) < 0.8


def test_two_rows_are_compared_by_seed(command: Command, runs: Path) -> None:
    plant_seeds(runs, A, FIRST)
    plant_seeds(runs, B, {0: SECOND[0], 2: SECOND[2], 3: SECOND[3], 8: 0.1})
    found = json.loads(command("compare", A, B, "--json").out)
    assert found["seeds"] == [0, 2, 3]
    assert (found["a"]["left_out"], found["b"]["left_out"]) == ([1], [8])
    assert found["a"]["runs"]["2"] == str(Path("runs") / A / "seed-2")
    assert found["a"]["protocols"] == found["b"]["protocols"] == ["paper"]
    [warning] = found["warnings"]
    assert "no McNemar test for seed 0, 2, 3" in warning
    assert set(found["metrics"]) == {"accuracy", "train_seconds"}
    one = found["metrics"]["accuracy"]
    first, second = np.array(FIRST)[[0, 2, 3]], np.array(SECOND)[[0, 2, 3]]
    expected = stats.ttest_rel(first, second)
    assert one["a"] == pytest.approx({"mean": first.mean(), "sd": first.std(ddof=1), "n": 3})
    assert one["difference"] == pytest.approx(first.mean() - second.mean())
    assert one["interval"] == pytest.approx(list(expected.confidence_interval()))
    assert one["p"] == pytest.approx(expected.pvalue)
    assert one["d_z"] == pytest.approx(expected.statistic / 3**0.5)
    low, high = one["bootstrap"]
    assert min(first - second) - 1e-9 <= low < high <= max(first - second) + 1e-9
    assert one["runs_needed"]["difference"] == 0.005


def test_the_table_says_the_same(command: Command, runs: Path) -> None:
    for seed in range(4):
        plant(runs, A, seed, accuracy=FIRST[seed], psnr=30 + seed / 10, right=right(seed))
        plant(runs, B, seed, accuracy=SECOND[seed], psnr=12.0, right=right(9 + seed))
    answer = command("compare", A, B)
    assert answer.status == 0 and answer.err == ""
    line = next(line for line in answer.out.splitlines() if "accuracy, %" in line)
    assert "85.25 ± 0.34" in line and "84.78 ± 0.17" in line and "+0.47" in line
    expected = stats.ttest_rel(FIRST, SECOND)
    assert f"{expected.pvalue:.3f}" in line
    assert f"{100 * expected.confidence_interval().high:+.2f}" in line
    assert "psnr, dB" in answer.out and "+18.15" in answer.out
    assert "a difference of 0.50 points in accuracy needs" in answer.out
    assert answer.out.count("McNemar, seed") == 4 and "images as clusters" in answer.out


def test_one_metric_and_a_difference_of_ones_own(command: Command, runs: Path) -> None:
    for seed in range(4):
        plant(runs, A, seed, accuracy=FIRST[seed], psnr=30 + seed**2 / 10)
        plant(runs, B, seed, accuracy=SECOND[seed], psnr=12.0)
    found = json.loads(
        command("compare", A, B, "--metric", "psnr", "--difference", 0.5, "--json").out
    )
    assert list(found["metrics"]) == ["psnr"]
    needed = found["metrics"]["psnr"]["runs_needed"]
    assert needed["difference"] == 0.5 and needed["runs"] > 2
    assert found["mcnemar"] == {"seeds": {}, "together": None}
    told = command("compare", A, B, "--metric", "psnr", "--difference", 0.5).out
    assert f"a difference of 0.50 dB in psnr needs {needed['runs']} runs" in told


def test_a_single_pair_has_a_difference_and_no_interval(command: Command, runs: Path) -> None:
    first = plant(runs, A, 3, "one", accuracy=0.85, right=right(1))
    second = plant(runs, B, 3, "other", accuracy=0.84, right=right(2))
    found = json.loads(command("compare", first, second, "--json").out)
    one = found["metrics"]["accuracy"]
    assert one["difference"] == pytest.approx(0.01)
    assert [one[key] for key in ("sd", "interval", "bootstrap", "p", "d_z")] == [None] * 5
    assert one["runs_needed"]["runs"] is None
    assert list(found["mcnemar"]["seeds"]) == ["3"] and found["mcnemar"]["together"] is None
    assert "+1.00" in command("compare", first, second).out


def test_mcnemar_is_of_the_answers_that_were_kept(command: Command, runs: Path) -> None:
    for seed in range(3):
        plant(runs, A, seed, accuracy=FIRST[seed], right=right(seed))
        plant(runs, B, seed, accuracy=SECOND[seed], right=right(10 + seed))
    found = json.loads(command("compare", A, B, "--json").out)["mcnemar"]
    for seed in range(3):
        a, b = right(seed), right(10 + seed)
        table = [[int((x & y).sum()) for y in (b, ~b)] for x in (a, ~a)]
        one = found["seeds"][str(seed)]
        assert (one["only_first"], one["only_second"]) == (table[0][1], table[1][0])
        assert one["p"] == pytest.approx(mcnemar(table, exact=True).pvalue)
        assert one["images"] == 200
    alone = sum(one["only_first"] for one in found["seeds"].values())
    assert found["together"]["only_first"] == alone and found["together"]["images"] == 200


def test_mcnemar_needs_the_same_images(command: Command, runs: Path) -> None:
    plant(runs, A, 0, accuracy=0.8, right=right(0))
    plant(runs, B, 0, accuracy=0.8, right=right(1, images=150))
    answer = command("compare", A, B)
    assert "no McNemar test for seed 0: the test images differ" in answer.err
    assert "McNemar" not in answer.out


def test_overlapping_splits_are_corrected(command: Command, runs: Path) -> None:
    plant_seeds(runs, "pretrain/transfer", [0.82, 0.81, 0.825])
    plant_seeds(runs, "pretrain/cnn", [0.73, 0.69, 0.71])
    one = json.loads(command("compare", "pretrain/transfer", "pretrain/cnn", "--json").out)
    found = one["metrics"]["accuracy"]
    differences = np.array([0.09, 0.12, 0.115])
    error = differences.std(ddof=1) * (1 / 3 + 0.15 / 0.85) ** 0.5
    half = stats.t.ppf(0.975, 2) * error
    assert found["interval"] == pytest.approx(
        [differences.mean() - half, differences.mean() + half]
    )
    assert found["bootstrap"] is None
    told = command("compare", "pretrain/transfer", "pretrain/cnn").out
    assert "Nadeau" in told and "conservative here" in told


def test_folders_of_one_recipe_are_taken(command: Command, runs: Path) -> None:
    own = changed(A, loss={"beta": 2})
    for seed, accuracy in enumerate(FIRST):
        plant(runs, own, seed, f"mine/{seed}", accuracy=accuracy)
    plant_seeds(runs, A, SECOND)
    answer = command("compare", runs / "mine", A, "--json")
    found = json.loads(answer.out)
    assert found["metrics"]["accuracy"]["n"] == 4
    assert found["a"]["protocols"] == []
    assert any("other settings than its row" in warning for warning in found["warnings"])
    assert "warning: A has other settings" in answer.err


def test_a_folder_of_several_recipes_is_refused(command: Command, runs: Path) -> None:
    plant(runs, changed(A, loss={"beta": 2}), 0, "mine/a", accuracy=0.8)
    plant(runs, changed(A, loss={"beta": 3}), 1, "mine/b", accuracy=0.8)
    answer = command("compare", runs / "mine", A)
    assert answer.status == 2 and "several recipes" in answer.err


def test_protocols_are_never_mixed(command: Command, runs: Path) -> None:
    plant_seeds(runs, A, FIRST)
    plant_seeds(runs, B, SECOND, "short")
    answer = command("compare", A, B)
    assert answer.status == 2
    assert f"no complete run of {B} under the protocol paper" in answer.err
    assert "--protocol short" in answer.err
    answer = command("compare", A, runs / B / "short")
    assert answer.status == 2 and "never mixed" in answer.err
    plant_seeds(runs, A, FIRST, "short")
    found = json.loads(command("compare", A, B, "--protocol", "short", "--json").out)
    assert found["a"]["protocols"] == ["short"]


def test_other_test_images_are_refused_and_changed_ones_are_told(
    command: Command, runs: Path
) -> None:
    plant(runs, changed(A, data={"name": "shapes"}), 0, "shapes", accuracy=0.9)
    plant_seeds(runs, A, FIRST)
    plant_seeds(runs, "joint/v4-blur", SECOND)
    answer = command("compare", A, runs / "shapes")
    assert answer.status == 2 and "cifar10" in answer.err and "shapes" in answer.err
    answer = command("compare", A, "joint/v4-blur")
    assert answer.status == 0
    assert (
        "warning: the test images differ: data.prepare is '' in A and 'blur(4)' in B" in answer.err
    )


@pytest.mark.parametrize(
    ("steps", "warned"), [((100, 100), ""), ((100, 250), "differ"), ((None, 100), "may differ")]
)
def test_unequal_numbers_of_updates_are_told(
    steps: tuple[int | None, int | None], warned: str, command: Command, runs: Path
) -> None:
    plant(runs, A, 0, accuracy=0.8, steps=steps[0], right=right(0))
    plant(runs, "joint/v4-constrained", 0, accuracy=0.8, steps=steps[1], right=right(1))
    found = json.loads(command("compare", A, "joint/v4-constrained", "--json").out)
    assert [f"the numbers of updates {warned}" in w for w in found["warnings"]] == [True] * bool(
        warned
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((A, "joint/v5"), "neither a row nor a folder of runs"),
        ((A, "runs/empty"), "no complete run"),
        ((A, "joint/v1"), "no complete run of joint/v1 under the protocol paper"),
        ((A, B), "no seed is common"),
        ((A, A, "--metric", "acuracy"), "did you mean 'accuracy'"),
        ((A, A, "--metric", "ssim"), "not measured in both"),
        ((A, A, "--difference", "0"), "above 0"),
        ((A, A, "--protocol", "long"), "no protocol 'long'"),
    ],
)
def test_mistakes_are_told(
    arguments: tuple[str, ...], said: str, command: Command, runs: Path
) -> None:
    plant_seeds(runs, A, {0: 0.8, 1: 0.8})
    plant_seeds(runs, B, {2: 0.8})
    (runs / "empty").mkdir()
    answer = command("compare", *arguments)
    assert answer.status == 2 and answer.out == ""
    assert said in answer.err and len(answer.err.splitlines()) <= 2


def test_a_row_does_not_differ_from_itself(command: Command, runs: Path) -> None:
    plant_seeds(runs, A, FIRST)
    found = json.loads(command("compare", A, A, "--json").out)
    one = found["metrics"]["accuracy"]
    assert (one["difference"], one["sd"], one["p"], one["d_z"]) == (0, 0, 1, None)
    assert one["interval"] is one["bootstrap"] is one["runs_needed"]["runs"] is None
    assert found["notes"] == ["A and B are one recipe: differences that are 0 are so for certain"]
    assert "one recipe" in command("compare", A, A).out


def test_equal_differences_have_no_interval_and_near_ones_no_narrow_one(
    command: Command, runs: Path
) -> None:
    for seed, (accuracy, psnr) in enumerate([(0.8600, 30.0), (0.8601, 30.5)]):
        plant(runs, A, seed, accuracy=accuracy, psnr=psnr)
        plant(runs, B, seed, accuracy=0.85, psnr=psnr - 12)
    found = json.loads(command("compare", A, B, "--json").out)
    tied, near = found["metrics"]["psnr"], found["metrics"]["accuracy"]
    assert (tied["difference"], tied["interval"], tied["p"]) == (12, None, 1)
    assert near["interval"][0] < 0 < near["interval"][1] and near["p"] > 0.05
    variance = (0.86005 * 0.13995 + 0.85 * 0.15) / 10_000
    assert near["floor"]["usual"] == pytest.approx(variance**0.5 / 3, rel=1e-3)
    assert near["bootstrap"][0] < 0.0099 and near["runs_needed"]["runs"] > 2
    [note] = [note for note in found["notes"] if "tells nothing of the spread" in note]
    assert note.startswith("psnr, train_seconds: ")
    assert note in command("compare", A, B).out


def test_runs_that_do_not_say_of_how_many_images_are_told(command: Command, runs: Path) -> None:
    for seed in range(2):
        plant(runs, A, seed, accuracy=0.86 + seed / 100, images=None)
        plant(runs, B, seed, accuracy=0.85)
    [note] = [
        note
        for note in json.loads(command("compare", A, B, "--json").out)["notes"]
        if "how many test images" in note
    ]
    assert note.startswith("accuracy: ")
    # A single pair has no interval that a floor could widen.
    one = [runs / row / "seed-0" for row in (A, B)]
    assert json.loads(command("compare", *one, "--json").out)["notes"] == []


def test_a_damaged_run_is_left_out_and_told(command: Command, runs: Path) -> None:
    plant_seeds(runs, A, FIRST)
    plant_seeds(runs, B, SECOND)
    (runs / B / "seed-1" / "result.json").write_text("{")
    answer = command("compare", A, B, "--json")
    assert json.loads(answer.out)["seeds"] == [0, 2, 3]
    assert "seed-1 is damaged" in answer.err


def test_a_trained_run_keeps_its_answers(in_empty_folder: Path) -> None:
    settings: dict[str, Any] = {
        "row": "test/small",
        "data": {"name": "shapes", "channels": 1, "per_class": 4},
        "network": {"encoder": "C(4) > C(4)", "classifier": "L'(10)"},
        "train": {"epochs": 1, "precision": "fp32"},
    }
    run = wye.train(Recipe.model_validate(settings), out=in_empty_folder / "a")
    labels, predicted = run.predictions()
    assert run.result is not None
    confusion = torch.zeros(10, 10, dtype=torch.int64)
    for label, given in zip(labels.tolist(), predicted.tolist(), strict=True):
        confusion[label, given] += 1
    assert confusion.tolist() == run.result["test"]["confusion"]
    assert float((labels == predicted).double().mean()) == run.result["test"]["accuracy"]
    assert run.result["steps"] > 0
    network = {"encoder": "C(4) > C(4)", "classifier": "none"}
    alone = Recipe.model_validate({**settings, "network": network, "loss": {"alpha": 0}})
    rebuilt = wye.train(alone, out=in_empty_folder / "b")
    assert not (rebuilt.path / "predictions.safetensors").exists()
    with pytest.raises(UsageError, match=r"no predictions\.safetensors"):
        Run(rebuilt.path).predictions()


def test_rows_in_the_tests_are_pairs_as_they_should_be() -> None:
    """The tests above lean on it: one data set, and other settings."""
    assert recipe_from_row(A).data == recipe_from_row(B).data
    assert recipe_from_row(A).loss != recipe_from_row(B).loss

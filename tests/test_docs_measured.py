"""Measured figures in the documentation: from run folders to the tables of a study's page."""

from __future__ import annotations

import json
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from wye.evidence.collect import by_row
from wye.evidence.results import records
from wye.recipe import recipe_from_row, resolve
from wye.recipe.identity import digest
from wye.recipe.overrides import parse_overrides
from wye.runs.folder import RunFolder
from wye.runs.records import Record
from wye.studies import studies

DOCS = Path(__file__).parent.parent / "docs" / "_generate"


@pytest.fixture
def docs(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module that writes the tables."""
    monkeypatch.syspath_prepend(str(DOCS))
    import measured_tables

    return measured_tables


def make_run(
    root: Path,
    row: str,
    words: tuple[str, ...] = (),
    *,
    seed: int = 0,
    test: dict[str, float] | None = None,
    status: str = "complete",
    command: str | None = None,
    typed: bool = True,
    best: float | None = None,
) -> None:
    """A finished run in `root`, its network not trained."""
    recipe = resolve(row, {**parse_overrides(words), "seed": seed})
    settings = recipe.train.model_copy(update={"precision": "fp32"})
    folder = RunFolder(root / f"{len(list(root.iterdir()))}")
    folder.path.mkdir()
    folder.write_recipe(recipe.model_copy(update={"train": settings}))
    line = " ".join(["wye", "train", row, *words, "--seed", str(seed)])
    folder.write_json(
        "environment.json",
        {
            **{"device": "cpu", "device_name": "Xeon", "torch": "2.13.0", "wye": "0.1.0"},
            **{"commit": "3f9c1ab2d4e5", "command": command or (line if typed else "")},
        },
    )
    result = {
        **{"status": status, "precision": "fp32", "epochs": recipe.train.epochs},
        **{"test": test or {"accuracy": 0.8}, "train": {"loss": 0.25}},
        **{"seconds": {"train": 812.44}, "images_per_second": 2461.04},
        **({} if best is None else {"best_on_test": {"epoch": 3, "accuracy": best}}),
    }
    folder.write_json("result.json", result)


def cells(section: str, start: str) -> list[list[str]]:
    """The cells of the table line that begins with `start` and of those that go on with it."""
    lines = section.splitlines()
    first = next(at for at, line in enumerate(lines) if line.startswith(f"| {start}"))
    rest = takewhile(lambda line: line.startswith("|  |"), lines[first + 1 :])
    return [line.split("|")[1:-1] for line in (lines[first], *rest)]


def test_rows_as_they_stand_and_changed_ones_are_told_apart(docs: Any, tmp_path: Path) -> None:
    for seed, accuracy in enumerate((0.85, 0.87)):
        make_run(tmp_path, "joint/v4-l2", seed=seed, test={"accuracy": accuracy}, best=0.9)
    make_run(tmp_path, "joint/v4-l2", ("train.epochs=10",), test={"accuracy": 0.8})
    make_run(tmp_path, "joint/v4-l2", ("train.epochs=3",), typed=False)
    runs = records(tmp_path)
    assert [run.changes for run in runs][:2] == [(), ()]
    # Made from Python: nothing was typed, and the recipe tells what differs.
    untyped = next(run for run in runs if run.epochs == 3)
    assert "train.epochs=3" in untyped.changes and "train.epochs=3" in str(untyped.command)
    section = docs.measured_section("joint", runs)
    plain, changed = section.split("### Runs with changed settings")
    (first, best) = cells(plain, "`joint/v4-l2`")
    assert [cell.strip() for cell in first[1:3]] == ["Accuracy", "86.00 ± 1.41 % (n=2)"]
    assert "40 epochs, 812 s, 2,461 images/s<br>Xeon, fp32" in first[3]
    assert first[4].strip() == "`wye train joint/v4-l2 --seed 0`<br>and seeds 1"
    assert "optimistic" in best[1] and "90.00" in best[2] and not best[3].strip()
    assert "train.epochs=10" not in plain
    (line,) = cells(changed, "`joint/v4-l2`<br>`train.epochs=10`<br>")
    assert line[2].strip() == "80.00 % (n=1)"


def test_reconstructions_of_an_untrained_decoder_are_flagged(docs: Any) -> None:
    known: dict[str, Any] = {"metrics": {"accuracy": 0.84, "psnr": 9.5}, "protocol": "paper"}
    recipe = recipe_from_row("joint/v4-beta0")
    run = Record(row=recipe.row, seed=0, digest=digest(recipe), data="cifar10", **known)
    section = docs.measured_section("joint", [run])
    assert "9.50 dB (n=1)<br>the decoder is untrained" in section
    assert section.count("untrained") == 1


@pytest.fixture
def beside(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module of the tables published | measured."""
    monkeypatch.syspath_prepend(str(DOCS))
    import published_table

    return published_table


def systems_of(beside: Any, name: str, root: Path) -> dict[tuple[str, str], list[str]]:
    """Row and metric to published, measured, difference and why."""
    section = beside.published_section(name, by_row(records(root, "here")), [])
    found, row = {}, ""
    for line in section.splitlines():
        if line.startswith("| ") and "---" not in line:
            _, head, label, *rest = (cell.strip() for cell in line.split("|")[1:-1])
            row = head.strip("`") or row
            found[row, label] = rest
    return found


def test_short_runs_stand_apart_and_beside_no_published_difference(
    docs: Any, beside: Any, tmp_path: Path
) -> None:
    for row in ("joint/v1", "joint/v4-l2"):
        make_run(tmp_path, row, ("train.epochs=13",), test={"accuracy": 0.5})
    make_run(tmp_path, "joint/v1", test={"accuracy": 0.6})
    plain, short = docs.measured_section("joint", records(tmp_path)).split("### Under the protocol")
    assert cells(plain, "`joint/v1`")[0][2] == " 60.00 % (n=1) "
    assert cells(short, "`joint/v1`")[0][2] == " 50.00 % (n=1) "
    found = systems_of(beside, "joint", tmp_path)
    assert found["joint/v1", "Accuracy"] == ["58.95 %", "60.00 % (n=1)", "+1.05 points", ""]
    shorter = ["85.69 %", "50.00 % (n=1)", "", "`short`: 13 epochs instead of 40"]
    # The same system by another name shares its runs.
    assert found["joint/v4-l2", "Accuracy"] == found["joint/v4-end-to-end", "Accuracy"] == shorter
    assert found["joint/v2", "Accuracy"] == ["80.11 %", "", "", "no run"]
    assert found["joint/vgg16", "Accuracy"][3] == "needs ImageNet's weights"
    section = beside.published_section("joint", by_row(records(tmp_path, "here")), [])
    assert section.startswith("**1 of 54 systems are measured as published**, 0 of them with three")
    assert "; 2 more with the fewer epochs" in section


def test_a_large_difference_has_a_reason_or_says_that_it_has_none(
    beside: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run(tmp_path, "joint/v1", test={"accuracy": 0.5705})
    assert systems_of(beside, "joint", tmp_path)["joint/v1", "Accuracy"][2:] == ["−1.90 points", ""]
    make_run(tmp_path, "joint/v2", test={"accuracy": 0.78})
    found = systems_of(beside, "joint", tmp_path)
    assert found["joint/v2", "Accuracy"][2:] == ["−2.11 points", "not explained yet"]
    row = studies()["joint"].rows["v2"]
    monkeypatch.setitem(row, "why", {"accuracy": "Its batch size is a guess."})
    assert recipe_from_row("joint/v2").row == "joint/v2", "it is no part of the recipe"
    found = systems_of(beside, "joint", tmp_path)
    assert found["joint/v2", "Accuracy"][3] == "Its batch size is a guess."


def test_another_judge_is_named_and_not_compared(docs: Any, beside: Any, tmp_path: Path) -> None:
    test = {"judge_accuracy": 0.4, "mse": 0.0044}
    make_run(tmp_path, "practices/baseline-cifar", ("evaluation.judge=wye/quick",), test=test)
    result = tmp_path / "0" / "result.json"
    result.write_text(json.dumps({**json.loads(result.read_text()), "judge": "wye/quick"}))
    section = docs.measured_section("practices", records(tmp_path))
    lines = {line[1].strip(): line for line in cells(section, "`practices/baseline-cifar`")}
    assert lines["Judge accuracy"][2] == " 40.00 % (n=1)<br>judged by `wye/quick` "
    found = systems_of(beside, "practices", tmp_path)
    judged = found["practices/baseline-cifar", "Judge accuracy"]
    assert judged == ["45.58 %", "40.00 % (n=1)", "", "judged by `wye/quick`"]
    assert found["practices/baseline-cifar", "MSE"][2] == "+0.000055"


def test_a_run_that_another_one_needed_is_the_row_itself(tmp_path: Path) -> None:
    command = "wye train pretrain/transfer train.epochs=8 --seed 0 (needs pretrain/autoencoder)"
    make_run(tmp_path, "pretrain/autoencoder", command=command)
    (run,) = records(tmp_path)
    assert run.changes == ()
    assert run.command == "wye train pretrain/autoencoder --seed 0"


def test_published_figures_of_other_data_are_not_compared_with(
    docs: Any, beside: Any, tmp_path: Path
) -> None:
    make_run(tmp_path, "joint/v1", ("data=shapes",))
    section = docs.measured_section("joint", records(tmp_path))
    (line,) = cells(section, "`joint/v1`")
    assert line[2] == " 80.00 % (n=1) "
    assert systems_of(beside, "joint", tmp_path)["joint/v1", "Accuracy"][1:] == ["", "", "no run"]


def test_corrected_figures_are_what_is_compared_with(beside: Any, tmp_path: Path) -> None:
    test = {"judge_accuracy": 0.99, "mse": 0.001069, "mae": 0.0112}
    for row in ("feature-loss-mnist", "baseline-mnist"):
        make_run(tmp_path, f"practices/{row}", test=test)
    judge = {"judge": "practices/original-mnist"}
    for path in tmp_path.glob("*/result.json"):
        path.write_text(json.dumps({**json.loads(path.read_text()), **judge}))
    found = systems_of(beside, "practices", tmp_path)
    assert found["practices/feature-loss-mnist", "MSE"][:3] == [
        *("0.011058 (corrected: 0.001169)", "0.001069 (n=1)", "−0.000100")
    ]
    assert found["practices/feature-loss-mnist", "Judge accuracy"][2] == "+0.14 points"
    assert found["practices/baseline-mnist", "MAE"][0] == "(corrected: 0.010200)"
    assert found["practices/baseline-mnist", "MAE"][2] == "+0.001000"


def test_the_best_of_several_splits_is_called_optimistic(docs: Any, tmp_path: Path) -> None:
    for seed, accuracy in enumerate((0.71, 0.75, 0.73)):
        make_run(tmp_path, "pretrain/cnn", seed=seed, test={"accuracy": accuracy})
    section = docs.measured_section("pretrain", records(tmp_path))
    mean, best = cells(section, "`pretrain/cnn`")
    assert mean[2] == " 73.00 ± 2.00 % (n=3) "
    assert best[1:3] == [" Accuracy, best of 3 splits (optimistic) ", " 75.00 % "]


def test_the_reasons_of_the_study_files_are_of_published_metrics() -> None:
    for name, study in studies().items():
        for row, settings in study.rows.items():
            assert set(settings.get("why", {})) <= set(recipe_from_row(f"{name}/{row}").printed())


def test_gains_of_a_grid_are_kept_by_seed_and_shown_with_their_interval(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(DOCS))
    import gains_page
    from scipy import stats

    found = {"classifier": [0.4, 0.5, 0.45], "joint": [0.43, 0.51, 0.47], "joint-all": [0.39]}
    for arm, accuracies in found.items():
        for seed, accuracy in enumerate(accuracies):
            row = f"when/{arm}-50-clean-even"
            make_run(tmp_path, row, seed=seed, test={"accuracy": accuracy, "mse": 0.1})
    results = records(tmp_path)
    page = gains_page.section("when", results)
    assert "device cpu" in page
    low, high = stats.t.interval(0.95, 2, 2, stats.sem([3, 1, 2]))
    assert f"| +2.0 [{low:+.1f}, {high:+.1f}] (3) | −1.0 (1) |".replace("-", "−") in page
    assert "| clean | even | 50 | 45.00 ± 5.00 % (3) |" in page
    [(name, picture)] = gains_page.pictures("when", results)
    assert name == "when-paper.svg" and "joint: +2.0 at 50" in picture
    assert gains_page.section("when", []).startswith("Nothing")

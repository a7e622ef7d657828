"""The table of results: records of runs, those shipped, and how they are added and paired."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from evidence_runs import changed, plant

import wye
from wye.errors import UsageError
from wye.evidence import results
from wye.evidence.collect import by_row, matched
from wye.evidence.compare import compare
from wye.evidence.findings import findings
from wye.evidence.measured import measured_figures
from wye.evidence.results import add, read, records, shipped, table
from wye.evidence.systems import find_systems
from wye.recipe import recipe_from_row, resolve
from wye.recipe.identity import changes, digest, repeats
from wye.recipe.overrides import parse_overrides
from wye.runs import Run
from wye.runs.records import Answers, Record


def on_machine(path: Path, name: str, precision: str = "fp32") -> Path:
    """A planted run as if made on a machine of this name."""
    (path / "environment.json").write_text(json.dumps({"device_name": name, "device": "cpu"}))
    result = json.loads((path / "result.json").read_text())
    (path / "result.json").write_text(json.dumps({**result, "precision": precision}))
    return path


@pytest.mark.parametrize(
    "words",
    [
        ["loss.beta=0.5"],
        ["train.epochs=7"],
        ["phases=[{name: a, epochs: 3}]", "train.epochs=3"],
        ["data.augment=flip > affine(rotate=40, shift=0.2)", "data.limit.bird=7"],
        ["train.schedule=one-cycle", "weights=random"],
    ],
)
def test_a_recipe_is_made_again_of_its_changes(words: list[str]) -> None:
    recipe = resolve("joint/v4-two-phase", parse_overrides(words))
    again = resolve("joint/v4-two-phase", parse_overrides(list(changes(recipe))))
    assert digest(again) == digest(recipe) != digest(recipe_from_row("joint/v4-two-phase"))


def test_repeats_may_differ_in_seed_precision_and_judge_alone() -> None:
    row = "practices/baseline-cifar"
    base = recipe_from_row(row)
    same = {"seed": 3, "train": {"precision": "fp32"}, "evaluation": {"judge": "wye/quick"}}
    assert repeats(base, resolve(row, same))
    for other in ({"train": {"lr": 0.1}}, {"data": {"name": "mnist"}}, {"loss": {"beta": 2}}):
        assert not repeats(base, resolve(row, other))
    assert changes(resolve(row, same)) == ()


def test_the_defaults_behind_the_digests_are_what_they_were() -> None:
    """A digest leaves out what is at its default: when a default changes, raise IDENTITY."""
    assert digest(recipe_from_row("joint/v4-l2")) == "e601c6c7e1fb5fd1"


def test_records_go_to_a_file_once_and_come_back_the_same(tmp_path: Path) -> None:
    runs, folder = tmp_path / "runs", tmp_path / "records"
    right = torch.rand(1003, generator=torch.Generator().manual_seed(1)) < 0.8
    accuracy = float(right.double().mean())
    for seed in range(2):
        plant(runs, "joint/v1", seed, right=right, accuracy=accuracy, psnr=21.123456789)
    plant(runs, changed("joint/v1", train={"epochs": 3}), 0, "changed", accuracy=0.5)
    plant(runs, changed("joint/vgg16", weights="/home/me/vgg16.pth"), 0, accuracy=0.5)
    own = recipe_from_row("joint/v1").model_copy(update={"row": "own/cats", "study": None})
    plant(runs, own, 0, accuracy=0.5)
    done = add([runs], folder)
    assert (len(done.new), len(done.there), len(done.left_out)) == (3, 0, 2)
    assert sorted(why for _, why in done.left_out) == [
        "own/cats is no row of a study",
        "what it changed can't be written as overrides of its row",
    ]
    text = (folder / "joint.jsonl").read_text()
    assert len(text.splitlines()) == 3 and "/home" not in text and str(tmp_path) not in text
    again = add([runs], folder)
    assert (len(again.new), len(again.there)) == (0, 3)
    assert (folder / "joint.jsonl").read_text() == text
    first, second, other = read(folder)
    assert (first.seed, second.seed, second.metrics["psnr"]) == (0, 1, 21.1235)
    assert first.protocol == "paper" and first.run is None and first.where == "shipped"
    assert other.protocol is None and "train.epochs=3" in other.changes
    assert first.recipe == recipe_from_row("joint/v1")
    assert other.recipe.train.epochs == 3 and other.recipe.seed == 0
    labels, kept = first.answered()
    assert np.array_equal(kept, right.numpy())
    assert labels == Record.of(Run(next(runs.glob("**/seed-0")))).answered()[0]


def test_predictions_of_another_accuracy_are_left_out(tmp_path: Path) -> None:
    right = torch.arange(200) < 150
    for seed, accuracy in enumerate((0.75, 0.7524, 0.7526)):
        plant(tmp_path / "runs", "joint/v1", seed, right=right, accuracy=accuracy)
    done = add([tmp_path / "runs"], tmp_path / "records")
    assert [record.seed for record in done.new] == [0, 1]
    [(path, why)] = done.left_out
    assert path.name == "seed-2" and "150 of 200 images are right, and the accuracy is" in why


def test_what_is_there_is_never_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "records"
    for number, accuracy in enumerate((0.5, 0.9)):
        runs = tmp_path / str(number)
        plant(runs, "joint/v1", 0, accuracy=accuracy)
        add([runs], folder)
    [kept] = read(folder)
    assert kept.metrics["accuracy"] == 0.5


def test_two_clones_merge_without_conflict(tmp_path: Path) -> None:
    """By git's own merge, with the attributes that the repository has."""
    root = Path(__file__).parent.parent
    name = "src/wye/evidence/shipped/joint.jsonl"

    def git(*words: str, into: Path) -> None:
        who = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", str(into), *who, *words], check=True, capture_output=True)

    base = tmp_path / "base"
    (base / name).parent.mkdir(parents=True)
    git("init", "-q", "-b", "main", into=base)
    (base / ".gitattributes").write_text((root / ".gitattributes").read_text())

    def work(where: Path, seeds: tuple[int, ...]) -> None:
        runs = tmp_path / f"runs-{where.name}-{seeds[0]}"
        for seed in seeds:
            plant(runs, "joint/v1", seed, accuracy=0.5 + seed / 100)
        add([runs], (where / name).parent)
        git("add", "-A", into=where)
        git("commit", "-q", "-m", "records", into=where)

    work(base, (0,))
    for clone in ("one", "two"):
        git("clone", "-q", str(base), str(tmp_path / clone), into=tmp_path)
    work(tmp_path / "one", (1, 2))
    work(tmp_path / "two", (2, 3))
    git(
        "pull",
        "-q",
        "--no-rebase",
        "--no-edit",
        str(tmp_path / "one"),
        "main",
        into=tmp_path / "two",
    )
    found = list(read((tmp_path / "two" / name).parent))
    assert [record.seed for record in found] == [0, 1, 2, 3]


def test_a_record_whose_recipe_changed_is_stale(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plant(tmp_path / "runs", "joint/v1", 0, accuracy=0.5)
    plant(tmp_path / "runs", "joint/v2", 0, accuracy=0.5)
    add([tmp_path / "runs"], tmp_path)
    path = tmp_path / "joint.jsonl"
    old = digest(recipe_from_row("joint/v2"))
    path.write_text(path.read_text().replace(old, "0" * 16))
    assert [record.row for record in shipped(tmp_path)] == ["joint/v1"]
    assert "1 shipped records are stale and left out: joint/v2" in caplog.text
    assert [bool(record.stale) for record in read(tmp_path)] == [False, True]


def test_no_shipped_record_is_stale_and_each_is_of_a_row() -> None:
    folder = Path(results.__file__).parent / "shipped"
    found = list(read(folder))
    assert found and not [record.row for record in found if record.stale]
    assert all(record.commit and record.machine and record.command for record in found)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "joint.jsonl, line 2"),
        ('{"format": 2}', "format"),
        ('{"row": "joint/v1", "seed": -1}', "seed"),
        ('{"metrics": {"fun": 1.0}}', "there is no metric 'fun'"),
        ('{"metrics": {"accuracy": NaN}}', "metrics.accuracy"),
        ('{"colour": "red"}', "colour"),
        ("x" * 200_000, "longer than a record"),
    ],
)
def test_damaged_records_are_named(line: str, message: str, tmp_path: Path) -> None:
    plant(tmp_path / "runs", "joint/v1", 0, accuracy=0.5)
    add([tmp_path / "runs"], tmp_path)
    path = tmp_path / "joint.jsonl"
    good = json.loads(path.read_text())
    if line.startswith('{"'):
        line = json.dumps({**good, **json.loads(line)})
    path.write_text(f"{json.dumps(good)}\n{line}\n")
    with pytest.raises(UsageError, match=message) as caught:
        list(read(tmp_path))
    assert "joint.jsonl, line 2" in str(caught.value)


@pytest.mark.parametrize("right", ["", "AAAA", "eJwDAAAAAAE=", "€"])
def test_damaged_answers_are_no_answers(right: str) -> None:
    with pytest.raises(ValueError, match="answers"):
        Answers(images=100, labels="x", right=right).unpacked()


def test_pairs_are_of_one_origin(tmp_path: Path) -> None:
    here = tmp_path / "here"
    for row, values in (
        ("joint/v4-l2", (0.85, 0.86, 0.87)),
        ("joint/v4-beta0", (0.84, 0.80, 0.83)),
    ):
        for seed, accuracy in enumerate(values):
            # Seed 1 of the second row was made on another machine.
            machine = "B" if (row, seed) == ("joint/v4-beta0", 1) else "A"
            on_machine(plant(here, row, seed, accuracy=accuracy), machine)
    runs = by_row(records(here))
    pairs = matched(*(runs[row, "paper"] for row in ("joint/v4-l2", "joint/v4-beta0")))
    assert list(pairs) == [0, 2]
    [finding] = findings(here, ids=["S0-C15a"])
    assert finding.seeds == (0, 2)
    a, b = find_systems(["joint/v4-l2", "joint/v4-beta0"], here)
    assert compare(a, b).seeds == (0, 2)
    assert "machines" not in str(compare(a, b).warnings)


def test_runs_of_unlike_machines_are_compared_with_a_warning(tmp_path: Path) -> None:
    for row, machine in (("joint/v4-l2", "A"), ("joint/v4-beta0", "B")):
        on_machine(plant(tmp_path, row, 0, accuracy=0.8), machine)
    found = compare(*find_systems(["joint/v4-l2", "joint/v4-beta0"], tmp_path))
    assert found.seeds == (0,)
    assert (
        found.warnings[0]
        == "A and B were made on unlike machines or judged unlike: A, fp32; B, fp32"
    )


def test_shipped_records_stand_behind_runs_that_are_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed, accuracy in enumerate((0.80, 0.81, 0.82)):
        on_machine(plant(tmp_path / "theirs", "joint/v4-l2", seed, accuracy=accuracy), "A")
    add([tmp_path / "theirs"], tmp_path / "shipped")
    monkeypatch.setattr(results, "SHIPPED", tmp_path / "shipped")
    on_machine(plant(tmp_path / "mine", "joint/v4-l2", 0, accuracy=0.70), "B")
    both = measured_figures(tmp_path / "mine")["joint/v4-l2"]["accuracy"]
    assert (both["n"], both["shipped"]) == (3, 2)
    assert both["mean"] == pytest.approx((0.70 + 0.81 + 0.82) / 3)
    alone = measured_figures(tmp_path / "mine", only="here")["joint/v4-l2"]["accuracy"]
    assert (alone["n"], alone["shipped"], alone["mean"]) == (1, 0, 0.70)
    theirs = measured_figures(tmp_path / "mine", only="shipped")["joint/v4-l2"]["accuracy"]
    assert (theirs["n"], theirs["shipped"]) == (3, 3)
    # One system by two names: its runs are both rows'.
    assert "joint/v4-end-to-end" in measured_figures(None)


def test_another_judge_is_named(tmp_path: Path) -> None:
    recipe = resolve("practices/baseline-cifar", {"evaluation": {"judge": "wye/quick"}})
    path = plant(tmp_path, recipe, 0, accuracy=0.5, judge_accuracy=0.4, mse=0.004)
    result = json.loads((path / "result.json").read_text())
    (path / "result.json").write_text(json.dumps({**result, "judge": "wye/quick"}))
    found = measured_figures(tmp_path)["practices/baseline-cifar"]
    assert found["judge_accuracy"]["judge"] == "wye/quick" and "judge" not in found["mse"]


def test_the_table_is_there_in_python(tmp_path: Path) -> None:
    plant(tmp_path, "joint/v1", 0, accuracy=0.5)
    plant(tmp_path, changed("joint/v1", loss={"beta": 0.25}), 1, accuracy=0.25)
    lines = table(records(tmp_path))
    assert [line["accuracy"] for line in lines] == [0.5, 0.25]
    assert lines[1]["changes"] == "loss.beta=0.25" and lines[1]["protocol"] is None
    frame = wye.results(tmp_path)
    if isinstance(frame, list):
        assert frame == lines
    else:
        assert list(frame["accuracy"]) == [0.5, 0.25] and list(frame["seed"]) == [0, 1]

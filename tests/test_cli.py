"""The command line: what it prints, and how mistakes are answered."""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from command_line import CommandLine

from wye.plots.style import available
from wye.recipe import resolve
from wye.recipe.schema import Recipe
from wye.studies import row_names

pytestmark = pytest.mark.usefixtures("without_plots")

TINY = [
    "joint/v4-l2",
    "data=shapes",
    "data.per_class=8",
    "data.channels=1",
    "network.encoder=C'(4) > C(4)",
    "network.classifier=C(4) > L'(10)",
    "train.epochs=2",
]


@pytest.fixture
def wye(command_line: CommandLine, in_empty_folder: Path) -> CommandLine:
    """The command in an empty folder."""
    return command_line


def test_list_has_every_row(wye: CommandLine) -> None:
    answer = wye("list", "--json")
    entries = json.loads(answer.out)
    assert [entry["row"] for entry in entries] == row_names()
    keys = {"row", "study", "source", "dataset", "constraint", "published", "measured"}
    assert all(keys <= set(entry) for entry in entries)
    joint = json.loads(wye("list", "joint", "--json").out)
    sources = sorted(entry["source"] for entry in joint if entry["source"])
    assert sources[:32] == [f"S0-{number:02d}" for number in range(1, 33)]
    assert "joint/v4-l2" in wye("list", "joint").out


def test_list_shows_what_was_measured_and_nothing_else(wye: CommandLine) -> None:
    assert wye("train", *TINY, "--max-steps", "2").status == 0
    measured = {e["row"]: e["measured"] for e in json.loads(wye("list", "--json").out)}
    assert measured["joint/v4-l2"] == {}  # other data, other network: another system


def test_list_has_mean_and_spread_over_the_seeds_of_a_row_as_it_stands(wye: CommandLine) -> None:
    def leave_run(
        row: str, seed: int, accuracy: float, protocol: str = "paper", **changes: Any
    ) -> None:
        recipe = resolve(row, {"seed": seed, **changes}, protocol).model_dump(mode="json")
        recipe["train"]["precision"] = "bf16"
        del recipe["data"]["balance"]  # a setting that an older version didn't have
        folder = Path(f"runs/{row}/{seed}-{accuracy}")
        folder.mkdir(parents=True)
        (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
        test = {"accuracy": accuracy, "confusion": [[1]]}
        result = {"status": "complete", "test": test, "seconds": {}}
        (folder / "result.json").write_text(json.dumps(result))

    leave_run("joint/v1", 0, 0.58)
    leave_run("joint/v1", 1, 0.60)
    leave_run("joint/v1", 2, 0.99, loss={"beta": 0.5})  # another system
    leave_run("joint/v1", 2, 0.50, "short")  # another protocol, of which the row has no need
    leave_run("joint/v1.1", 0, 0.55, "short")
    measured = {e["row"]: e["measured"] for e in json.loads(wye("list", "joint", "--json").out)}
    found = measured.pop("joint/v1")["accuracy"]
    assert (found["mean"], found["n"]) == (pytest.approx(0.59), 2)
    assert found["sd"] == pytest.approx(0.0141421, rel=1e-4)
    assert found["protocol"] == "paper"
    assert measured.pop("joint/v1.1")["accuracy"]["protocol"] == "short"
    assert not any(measured.values())
    table = wye("list", "joint").out
    assert "59.00 % ± 1.41 % (n=2)" in table and "55.00 % (n=1, short)" in table
    paper = json.loads(wye("list", "joint", "--protocol", "paper", "--json").out)
    assert [e["row"] for e in paper if e["measured"]] == ["joint/v1"]
    refused = wye("list", "joint", "--protocol", "long")
    assert refused.status == 2 and "no protocol 'long'" in refused.err


def test_show_has_the_network_layer_by_layer(wye: CommandLine) -> None:
    shown = json.loads(wye("show", "joint/v4-l2", "--json").out)
    assert shown["parameters"] == {
        "encoder": 10144,
        "decoder": 4227,
        "classifier": 656426,
        "total": 670797,
        "trainable": 670797,
    }
    assert shown["latent"] == 8192
    assert shown["multiply_adds"] == sum(layer["multiply_adds"] for layer in shown["layers"])
    assert Recipe.model_validate(shown["recipe"]).row == "joint/v4-l2"
    text = wye("show", "joint/v2.3", "data=cifar10").out
    assert "input 3x64x64" in text
    assert "64x8x8" in text


def test_train_then_everything_one_does_with_a_run(
    wye: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wye.api.available", available)
    trained = wye("train", *TINY, "--out", "run", "--json")
    assert trained.status == 0
    result = json.loads(trained.out)
    assert result["status"] == "complete"
    assert "epoch" in trained.err  # the table of epochs
    assert "\x1b" not in trained.err  # and no bar, because this is no terminal

    evaluated = json.loads(wye("evaluate", "run", "--json").out)
    assert evaluated["test"]["accuracy"] == pytest.approx(result["test"]["accuracy"], abs=2e-3)
    assert "precision" in wye("evaluate", "run").out

    assert wye("reconstruct", "run", "--out", "pictures/r.png").status == 0
    assert Path("pictures/r.png").read_bytes().startswith(b"\x89PNG")

    predicted = json.loads(wye("predict", "run", "pictures/r.png", "--json").out)
    assert sum(predicted[0]["probabilities"].values()) == pytest.approx(1, abs=1e-4)
    assert predicted[0]["class"] in predicted[0]["probabilities"]

    assert wye("embed", "run", "shapes", "--out", "codes.npz").status == 0
    import numpy as np

    with np.load("codes.npz") as codes:
        assert codes["codes"].shape == (len(codes["paths"]), result["latent"])
        assert set(codes["parts"]) == {"train", "test"}

    report = wye("report", "run", "--out", "page")
    assert report.out.strip() == "page/index.html"
    page = Path("page/index.html").read_text()
    assert "joint/v4-l2" in page
    assert "shapes" in page

    assert wye("train", *TINY, "--out", "run").status == 2
    assert wye("train", *TINY, "--out", "run", "--resume").status == 0


def test_the_default_place_of_a_run(wye: CommandLine) -> None:
    assert wye("train", *TINY, "--seed", "3", "--max-steps", "1").status == 0
    run = Path("runs/joint/v4-l2/seed-3")
    assert json.loads((run / "result.json").read_text())["seed"] == 3
    command = json.loads((run / "environment.json").read_text())["command"]
    assert command.startswith("wye train joint/v4-l2 data=shapes")
    assert command.endswith("--seed 3 --max-steps 1")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["joint/v4-l2", "network.encoder=C'(32) > Q(3)"], "no symbol is called 'Q'"),
        (["joint/v99"], "there is no row 'joint/v99'"),
        (["joint/v4-l2", "train.epoch=3"], "train.epoch: there is no such setting"),
        (["joint/v4-l2", "train.epochs=many"], "whole number"),
        (["joint/v4-l2", "network.decoder=none"], "needs a decoder"),
        (["joint/v4-l2", "data=nowhere"], "no data set and no folder is called 'nowhere'"),
        (["joint/v4-l2", "data=shapes", "data.augment=flop"], "data.augment: no transformation"),
        (["joint/v4-l2", "data=shapes", "network.classifier=L'(12)"], "must end in 10 values"),
        (["joint/v4-l2", "data=shapes", "network.decoder=T(3)"], "without an activation"),
        (["joint/v4-l2", "data=shapes", "phases=[{epochs: 40, freeze: [x]}]"], "freeze: 'x'"),
        (["joint/v4-l2", "data=shapes", "--device", "cuda:77"], "this machine has"),
        (["joint/v4-l2", "data=shapes", "--device", "meta"], "it should be auto, cpu, cuda"),
        (["missing.yaml"], "cannot read the recipe missing.yaml"),
        (["joint/v4-l2", "epochs"], "not of the form key=value"),
    ],
)
def test_a_mistake_is_one_message_and_leaves_nothing(
    wye: CommandLine, arguments: list[str], expected: str
) -> None:
    answer = wye("train", *arguments, "--out", "out/run")
    assert answer.status == 2
    assert answer.out == ""
    assert expected in answer.err
    assert "Traceback" not in answer.err
    assert len(answer.err.splitlines()) <= 3
    assert not Path("out").exists()


def test_debug_shows_the_traceback() -> None:
    command = [sys.executable, "-m", "wye", "train", "joint/v99", "--debug"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode != 0
    assert "Traceback" in done.stderr


def test_an_interrupted_training_says_how_to_go_on(
    wye: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("wye.api.run", interrupted)
    answer = wye("train", *TINY, "--out", "a b")
    assert answer.status == 130
    assert "interrupted; to go on: wye train joint/v4-l2 data=shapes" in answer.err
    assert "--out 'a b' --resume" in answer.err


def test_a_damaged_run_does_not_spoil_the_others(
    wye: CommandLine, caplog: pytest.LogCaptureFixture
) -> None:
    for seed in ("0", "1"):
        assert wye("train", *TINY, "--seed", seed, "--max-steps", "1").status == 0
    Path("runs/joint/v4-l2/seed-1/result.json").write_text("{")
    report = wye("report")
    assert report.status == 0
    assert "report: runs/joint/v4-l2/seed-1/result.json is damaged" in caplog.text
    listed = wye("list", "joint", "--json")
    assert listed.status == 0
    assert "seed-1 is damaged" in caplog.text


@pytest.mark.parametrize("out", ["", "file"])
def test_an_out_that_is_no_folder_of_its_own_is_refused(wye: CommandLine, out: str) -> None:
    Path("file").write_text("")
    answer = wye("train", *TINY, "--out", out)
    assert answer.status == 2
    assert "it should be a folder of the run's own" in answer.err


def test_grey_images_train_by_the_recipe_for_folders(wye: CommandLine) -> None:
    from PIL import Image

    for name, level in (("dark", 40), ("light", 200)):
        Path("images", name).mkdir(parents=True)
        for index in range(10):
            Image.new("L", (28, 28), level + index).save(f"images/{name}/{index}.png")
    Path("images/notes.txt").write_text("not an image")
    assert wye("train", "images", "--max-steps", "1", "--out", "run").status == 0
    predicted = json.loads(wye("predict", "run", "images", "--json").out)
    assert len(predicted) == 20


def test_a_machine_that_refuses_is_status_1(
    wye: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("file").write_text("")
    answer = wye("train", *TINY, "--out", "file/run")
    assert answer.status == 1
    assert "Not a directory" in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.parametrize("command", [["evaluate"], ["reconstruct"], ["predict"], ["embed"]])
def test_a_folder_without_a_run_is_named(wye: CommandLine, command: list[str]) -> None:
    rest = {"predict": ["x.png"], "embed": ["shapes"]}.get(command[0], [])
    answer = wye(*command, "nothing", *rest)
    assert answer.status == 2
    assert "nothing holds no run" in answer.err


@pytest.mark.parametrize("command", [(), ("data",)])
def test_help_cuts_no_line_off(
    wye: CommandLine, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    verbs = wye(*command, "--help").out.split("Commands:")[1].strip().splitlines()
    assert len(verbs) > 3
    assert all(line.endswith(".") and not line.endswith("...") for line in verbs), verbs


def test_help_and_version(wye: CommandLine) -> None:
    assert "train" in wye("--help").out
    version = wye("--version").out
    assert re.fullmatch(r"wye \d+\.\d+\.\d+, torch \d\S+, (cpu|cuda|mps)\S* \(.+\)\n", version)
    assert wye("no-such-verb").status == 2


def test_splits_are_runs_of_a_seed_each_with_their_mean_and_the_best_of_them(
    wye: CommandLine,
) -> None:
    three = [*TINY, "train.epochs=1", "evaluation.splits=3", "--seed", "5", "--splits"]
    found = json.loads(wye("train", *three, "--json").out)
    accuracies = {run["seed"]: run["test"]["accuracy"] for run in found["runs"]}
    assert list(accuracies) == [5, 6, 7]
    figures = found["splits"]["accuracy"]
    assert figures["n"] == 3
    assert figures["mean"] == pytest.approx(statistics.fmean(accuracies.values()))
    assert figures["sd"] == pytest.approx(statistics.stdev(accuracies.values()))
    best = figures["best"]
    assert best["value"] == max(accuracies.values()) == accuracies[best["seed"]]
    errors = {run["seed"]: run["test"]["mse"] for run in found["runs"]}
    assert found["splits"]["mse"]["best"]["value"] == min(errors.values())
    assert "best split (optimistic)" in wye("train", *three, "--resume").out
    assert json.loads(wye("train", *three, "--resume", "--json").out) == found


def test_a_row_of_one_split_has_no_splits(wye: CommandLine) -> None:
    answer = wye("train", *TINY, "--splits")
    assert answer.status == 2
    assert "evaluation.splits=5" in answer.err
    assert not Path("runs").exists()


def test_a_corrected_figure_stands_beside_the_printed_one(wye: CommandLine) -> None:
    entries = json.loads(wye("list", "practices", "--json").out)
    entry = next(e for e in entries if e["source"] == "S4-07")
    assert (entry["published"]["mae"], entry["corrected"]["mae"]) == (0.075097, 0.011859)
    assert "0.075097 (right: 0.011859)" in wye("list", "practices").out

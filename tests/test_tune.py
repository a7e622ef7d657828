"""Searches: the space, what is chosen, given up and gone on with, and the recipe at the end."""

from __future__ import annotations

import json
import shlex
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command_line import CommandLine

from wye import api
from wye.errors import UsageError
from wye.jobs import Board, local
from wye.jobs.plan import PlannedRun
from wye.recipe.schema import Recipe
from wye.runs.run import Run
from wye.training.records import EpochRecord

pytest.importorskip("optuna")

from wye.tune import Search, read_space

TINY = ["data=shapes", "data.per_class=4", "data.channels=1", "data.validation=0.5"]
TINY += ["network.encoder=C(4)", "network.decoder=mirror", "network.classifier=G > L'(classes)"]
TINY += ["train.batch_size=20"]


def test_a_space_is_read_from_words() -> None:
    space = read_space(["a.b=0.1..10:log", "n=2..8", "c=sgd,adam", "d=C(4, k=3),C(8)", "e=[1, 2]"])
    shown = {key: str(of) for key, of in space.ranges.items()}
    assert shown["a.b"].startswith("FloatDistribution(high=10.0, log=True, low=0.1")
    assert shown["n"].startswith("IntDistribution(high=8, log=False, low=2")
    assert space.ranges["d"].choices == ("C(4, k=3)", "C(8)")  # type: ignore[attr-defined]
    assert space.fixed == ("e=[1, 2]",)
    assert space.words({"a.b": 1 / 3, "n": 4}) == ["e=[1, 2]", "a.b=0.3333", "n=4"]
    assert len(list(space.corners())) == 2
    for word, problem in {
        "a=3..1": "should rise",
        "a=0..1:log": "begins above 0",
        "a=1": "nothing to search",
    }.items():
        with pytest.raises(UsageError, match=problem):
            read_space([word])


class InThisProcess:
    """Does a board's runs one after the other, as a worker would, and sends each epoch."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.stop_after, self.done = stop_after, 0

    def __call__(self, board: Board, workers: int, launch_of: Any) -> None:
        while not board.over and (run := board.next()) is not None:
            board.begun(run)
            launch = launch_of(run)
            assert not launch.measure_test

            def observe(recipe: Recipe, run: PlannedRun = run) -> AbstractContextManager[Any]:
                return nullcontext(Sender(board, run))

            try:
                api.run(replace(launch, observe=observe))
            except UnwantedError:
                continue
            board.apply(run, {"event": "done"})
            self.done += 1
            if self.done == self.stop_after:
                raise KeyboardInterrupt


class UnwantedError(Exception):
    pass


class Sender:
    def __init__(self, board: Board, run: PlannedRun) -> None:
        self.board, self.run = board, run
        self.epochs = run.recipe.train.epochs

    def step(self, *_: Any) -> None:
        pass

    def epoch(self, record: EpochRecord) -> None:
        if self.board.apply(
            self.run, {"event": "epoch", "epoch": record.epoch, "epochs": self.epochs}
        ):
            raise UnwantedError


def test_a_search_is_gone_on_with_and_ends_with_a_recipe(
    command_line: CommandLine,
    in_empty_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    without_plots: None,
) -> None:
    words = ["tune", "joint/v4", *TINY, "train.monitor=reconstruction"]
    words += ["beta=0.1..10:log", "train.epochs=1..2"]
    monkeypatch.setattr(local, "run_locally", InThisProcess(stop_after=3))
    answer = command_line(*words, "--trials", 7)
    assert answer.status == 130 and "to go on: wye tune joint/v4" in answer.err
    monkeypatch.setattr(local, "run_locally", InThisProcess())
    answer = command_line(*words, "--trials", 7, "--json")
    assert answer.status == 0, answer.err
    found = json.loads(answer.out)
    assert found["metric"] == "reconstruction" and [t["number"] for t in found["trials"]] == [
        *range(7)
    ]
    assert len({t["words"][-2] for t in found["trials"]}) == 7
    complete = [trial for trial in found["trials"] if trial["state"] == "complete"]
    best = min(complete, key=lambda trial: trial["value"])
    assert found["best"]["value"] == best["value"]
    for trial in complete:
        run = Run(in_empty_folder / f"tune/joint/v4/trial-{trial['number']:04d}")
        assert trial["value"] == run.metrics[-1]["validation"]["reconstruction"]
        assert run.result is not None and run.result["test"] == {}
        assert not (run.path / "predictions.safetensors").exists()
    assert set(found["importances"]) == {"beta", "train.epochs"}
    assert sum(found["importances"].values()) == pytest.approx(1)
    picture = Path(found["picture"]).read_text()
    assert "train.epochs" in picture and "reconstruction on validation" in picture

    answer = command_line(*shlex.split(found["command"])[1:], "--out", "found", "--json")
    assert answer.status == 0, answer.err
    trained = Run(Path("found"))
    assert trained.metrics[-1]["validation"]["reconstruction"] == found["best"]["value"]
    assert 0 <= trained.figures["accuracy"] <= 1

    answer = command_line(*words, "--trials", 7)
    assert "to train what was found: wye train joint/v4" in answer.out
    answer = command_line(*words[:-1], "train.epochs=1..3", "--trials", 8)
    assert answer.status == 2 and "a search of other ranges" in answer.err


def test_a_trial_behind_the_median_is_given_up(tmp_path: Path) -> None:
    space = read_space([*TINY, "train.epochs=3", "beta=0.1..10:log"])
    with Search("joint/v4", space, 7, tmp_path) as search:
        for number in range(7):
            run = search.ask()
            assert run is not None and 0.1 <= run.recipe.loss.beta <= 10
            run.folder.mkdir()
            (run.folder / "recipe.yaml").write_text("")
            values = [0.1, 0.2, 0.3] if number == 6 else [0.5, 0.6, 0.7]
            lines: list[str] = []
            for epoch, value in enumerate(values, 1):
                line = {"epoch": epoch, "phase": "", "lr": 0.1, "validation": {"accuracy": value}}
                lines.append(json.dumps(line))
                (run.folder / "metrics.jsonl").write_text("\n".join(lines))
                if search.hopeless(run):
                    break
            else:
                search.done(run)
        assert search.ask() is None
        assert [trial.state for trial in search.ended()] == ["complete"] * 6 + ["pruned"]
        assert search.ended()[6].epochs == 1 and search.ended()[6].value is None
        assert search.best() is not None and search.best().value == 0.7  # type: ignore[union-attr]


def test_a_worker_whose_trial_is_given_up_is_replaced(
    command_line: CommandLine, in_empty_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With real workers: the first trial is not wanted after an epoch, the second one is."""
    monkeypatch.setattr("optuna.trial.Trial.should_prune", lambda trial: trial.number == 0)
    words = ["tune", "joint/v4", *TINY, "train.epochs=2", "beta=0.1..10:log"]
    answer = command_line(*words, "--trials", 2, "--json")
    assert answer.status == 0, answer.err
    states = [trial["state"] for trial in json.loads(answer.out)["trials"]]
    assert states == ["pruned", "complete"]
    assert "trial 0: beta=" in answer.err and "given up after epoch 1" in answer.err


def test_what_cannot_be_searched_is_refused_first(
    command_line: CommandLine, in_empty_folder: Path
) -> None:
    for words, problem in {
        ("data.validation=0", "beta=1..2"): "data.validation=0.1 holds out a tenth",
        ("train.monitor=loss", "beta=1..2"): "losses of other weights cannot be compared",
        ("train.epochs=0..5",): "train.epochs",
        ("loss.betta=1..2",): "did you mean",
    }.items():
        answer = command_line("tune", "joint/v1", "data=shapes", *words)
        assert answer.status == 2 and problem in answer.err, answer.err
    assert list(in_empty_folder.iterdir()) == []


def test_a_missing_optuna_is_said(
    command_line: CommandLine, in_empty_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    answer = command_line("tune", "joint/v1", "beta=1..2")
    assert answer.status == 2 and "pip install 'wye[tune]'" in answer.err

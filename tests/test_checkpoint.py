"""The best epoch is one decision over all phases; the last and the best are kept and resumed."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from command_processes import command, kill

import wye
from wye.errors import MachineError, UsageError
from wye.recipe import Recipe
from wye.recipe.schema import ResolvedPhase
from wye.runs import Run, RunFolder
from wye.training.checkpoint import Checkpoint

pytestmark = pytest.mark.usefixtures("without_plots")

SMALL: dict[str, Any] = {
    "row": "test/small",
    "data": {"name": "shapes", "channels": 1, "per_class": 20},
    "network": {"encoder": "C(4) > C(6)", "classifier": "L(16) > L'(classes)"},
    "train": {"batch_size": 16, "optimizer": "adam", "lr": 0.005, "precision": "fp32"},
}
RUINED = {"name": "ruined", "epochs": 3, "lr": 1.0}
"""A phase that unlearns what was learned, while its loss stays a number: Adam's steps do."""


def two_phases(**changes: Any) -> Recipe:
    settings = {**SMALL, "phases": [{"name": "sound", "epochs": 3}, RUINED], **changes}
    settings["train"] = {**SMALL["train"], "epochs": 6}
    settings["network"] = {**SMALL["network"], "classifier": "none"}
    settings["loss"] = {"alpha": 0}
    return Recipe.model_validate({"evaluation": {"selection": "best"}, **settings})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return wye.train(two_phases(), out=tmp_path_factory.mktemp("two") / "run")


def test_a_later_phase_that_diverges_does_not_take_the_place_of_the_best_epoch(run: Run) -> None:
    errors = [line["validation"]["reconstruction"] for line in run.metrics]
    best = errors.index(min(errors))
    assert run.metrics[-1]["phase"] == "ruined"
    assert best < 3 and min(errors[3:]) > 2 * errors[best]
    assert run.result is not None
    assert run.result["best_validation"]["epoch"] == best + 1
    assert run.result["best_validation"]["reconstruction"] == errors[best]
    weights = run.weights("best")
    assert all(torch.equal(value, weights[name]) for name, value in run.weights().items())


def test_weights_are_those_of_the_last_or_of_the_best_epoch(run: Run) -> None:
    key = "encoder.layers.0.layer.weight"
    last, best = run.weights("last")[key], run.weights("best")[key]
    assert not torch.equal(last, best)
    state = run.folder.read_checkpoint(torch.device("cpu"))
    assert state is not None and torch.equal(state["network"][key], last)
    assert torch.equal(wye.load(run, "best").network.state_dict()[key], best)
    assert torch.equal(wye.load(run).network.state_dict()[key], best)
    assert torch.equal(wye.load(run, "last").network.state_dict()[key], last)
    for word in ("selected", "Best", ""):
        with pytest.raises(UsageError, match=r"no weights are called.*known: last, best"):
            wye.load(run, word)


def test_a_run_killed_in_its_second_phase_keeps_the_same_best_epoch(
    run: Run, tmp_path: Path
) -> None:
    killed = tmp_path / "killed"
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(two_phases().model_dump(mode="json")))
    log = tmp_path / "log"
    arguments = ["train", str(recipe), "--out", str(killed)]
    process = command(*arguments, log=log)
    metrics = killed / "metrics.jsonl"
    while process.is_alive():  # the fourth epoch is the first of the second phase
        if metrics.exists() and len(metrics.read_text().splitlines()) >= 4:
            kill(process)
            break
        time.sleep(0.01)
    process.join()
    (killed / "result.json").unlink(missing_ok=True)  # it got through before the blow fell
    process = command(*arguments, "--resume", log=log)
    process.join()
    assert process.exitcode == 0, log.read_text()
    resumed = Run(killed)
    for name in ("model.safetensors", "best.safetensors"):
        assert (killed / name).read_bytes() == (run.path / name).read_bytes(), name
    assert resumed.result is not None and run.result is not None
    assert resumed.result["best_validation"] == run.result["best_validation"]
    assert resumed.result["test"] == run.result["test"]


def phases(*given: dict[str, Any]) -> tuple[ResolvedPhase, ...]:
    train = {"epochs": sum(phase["epochs"] for phase in given)}
    settings = {**SMALL, "train": train, "phases": given}
    return Recipe.model_validate(settings).resolved_phases()


def test_the_metric_of_the_last_phase_judges_the_first_too() -> None:
    of = phases({"epochs": 2, "loss": {"alpha": 0}}, {"epochs": 2, "loss": {"beta": 0}})
    checkpoint = Checkpoint(of)
    assert checkpoint.epoch_done(0, {"reconstruction": 0.9, "accuracy": 0.12})
    assert not checkpoint.epoch_done(0, {"reconstruction": 0.1, "accuracy": 0.10})
    checkpoint.begin_phase(1)
    assert not checkpoint.epoch_done(1, {"reconstruction": 0.05, "accuracy": 0.11})
    assert checkpoint.epoch_done(1, {"reconstruction": 2.0, "accuracy": 0.60})


def test_a_loss_of_other_weights_says_nothing_of_the_last_phase() -> None:
    of = phases(
        {"epochs": 2, "loss": {"alpha": 0}, "monitor": "loss"},
        {"epochs": 2, "monitor": "loss"},
    )
    checkpoint = Checkpoint(of)
    assert not checkpoint.epoch_done(0, {"loss": 0.01})
    checkpoint.begin_phase(1)
    assert checkpoint.epoch_done(1, {"loss": 2.0})
    assert not checkpoint.epoch_done(1, {"loss": 2.1})


@pytest.mark.parametrize("carry_on", [False, True])
def test_a_phase_that_carries_on_goes_on_waiting(carry_on: bool) -> None:
    second: dict[str, Any] = {"epochs": 5, "carry_on": carry_on}
    of = phases({"epochs": 5, "early_stopping": 3}, second if carry_on else {**second})
    checkpoint = Checkpoint(of)
    for accuracy in (0.5, 0.4, 0.3):
        checkpoint.epoch_done(0, {"accuracy": accuracy})
    assert checkpoint.waited == 2 and not checkpoint.exhausted(0)
    checkpoint.begin_phase(1)
    checkpoint.epoch_done(1, {"accuracy": 0.2})
    assert checkpoint.waited == (3 if carry_on else 0)
    assert checkpoint.exhausted(1) == carry_on
    assert checkpoint.best == -0.5


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_number_is_never_best(value: float) -> None:
    checkpoint = Checkpoint(phases({"epochs": 2, "monitor": "loss"}))
    assert not checkpoint.epoch_done(0, {"loss": value})
    assert checkpoint.epoch_done(0, {"loss": 2.9e20})
    assert not checkpoint.epoch_done(0, {})


def test_a_checkpoint_goes_on_as_it_was() -> None:
    of = phases({"epochs": 3}, {"epochs": 3})
    first, second = Checkpoint(of), Checkpoint(of)
    for index, accuracy in ((0, 0.3), (0, 0.2)):
        first.epoch_done(index, {"accuracy": accuracy})
    second.restore(first.state())
    for each in (first, second):
        each.begin_phase(1)
        assert not each.epoch_done(1, {"accuracy": 0.25})
    assert first.state() == second.state()


@pytest.mark.parametrize("state", [{}, {"format": 1, "epochs_done": 1}, [1, 2]])
def test_a_checkpoint_of_another_version_is_no_traceback(state: Any, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    torch.save(state, tmp_path / "last.ckpt")
    with pytest.raises(MachineError, match=r"of another version of wye.*remove it to begin"):
        folder.read_checkpoint(torch.device("cpu"))
    folder.write_checkpoint({"epochs_done": 1})
    assert folder.read_checkpoint(torch.device("cpu")) == {"epochs_done": 1}

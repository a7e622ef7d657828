"""The learning-rate range test: it suggests a rate that trains, and leaves everything as it was."""

from __future__ import annotations

import copy
import json
import math
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tiny import tiny_set

from wye.cli import main
from wye.errors import TrainingError, UsageError
from wye.recipe.overrides import validated
from wye.recipe.schema import Recipe
from wye.runs.setup import Setup, set_up
from wye.training import Trainer
from wye.training.find_lr import HIGHEST, LOWEST, STEPS, RangeTest, find_lr


def recipe(**train: object) -> Recipe:
    network = {"encoder": "C'(8) > BN > C(8) > D(0.2)", "classifier": "L(16) > L'(classes)"}
    settings = {"batch_size": 8, "epochs": 3, **train}
    data = {"name": "tiny", "validation": 0.2}
    return validated({"row": "tiny", "data": data, "network": network, "train": settings})


@pytest.fixture
def setup(monkeypatch: pytest.MonkeyPatch) -> Setup:
    monkeypatch.setattr("wye.runs.setup.load", lambda *_, **__: tiny_set())
    return set_up(recipe(momentum=0.9))


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_suggestion_trains_better_than_rates_far_from_it(optimizer: str) -> None:
    def shapes(**train: object) -> Recipe:
        more = {"momentum": 0.9} if optimizer == "sgd" else {}
        settings = {
            "row": "shapes",
            "data": {"name": "shapes", "per_class": 20},
            "network": {"encoder": "C'(8) > C'(8)", "classifier": "none"},
            "loss": {"alpha": 0},
            "train": {"optimizer": optimizer, "batch_size": 20, "epochs": 3, **more, **train},
        }
        return validated(settings)

    setup = set_up(shapes())
    found = find_lr(setup.recipe, setup.network, setup.data, setup.streams)

    def loss_at(rate: float) -> float:
        network = copy.deepcopy(setup.network)
        trainer = Trainer(shapes(lr=rate), network, setup.data, setup.streams)
        try:
            return [record.train["loss"] for record in trainer.epochs()][-1]
        except TrainingError:
            return math.inf

    for good in (found.suggestion, found.minimum / 10):
        assert 2 * loss_at(good) < min(loss_at(found.suggestion / 20), loss_at(10 * good))


def range_test(loss: Callable[[float], float]) -> RangeTest:
    """A range test whose loss is a function of the rate's logarithm."""
    logarithms = [-7 + 8 * step / (STEPS - 1) for step in range(STEPS)]
    return RangeTest([10**at for at in logarithms], [loss(at) for at in logarithms])


def test_the_suggestion_is_the_steepest_descent_before_the_minimum() -> None:
    """Of a logistic fall around 1e-3, with easy batches before and a spike after it."""

    def loss(at: float) -> float:
        fall = 1 / (1 + math.exp(4 * (at + 3)))
        easy = -0.1 if -5.55 < at < -5.45 else 0.0
        spike = 3 * math.exp(-(((at + 1) / 0.2) ** 2))
        return 1 + fall + easy + spike + (at > -1) * 0.1

    found = range_test(loss)
    assert math.log10(found.suggestion) == pytest.approx(-3, abs=0.1)
    assert -3 < math.log10(found.minimum) < -1


def test_a_low_loss_in_the_first_steps_is_not_the_minimum() -> None:
    found = range_test(lambda at: 0.5 if at == -7 else 2 - 1 / (1 + math.exp(-4 * (at + 3))))
    assert math.log10(found.suggestion) == pytest.approx(-3, abs=0.1)


@pytest.mark.parametrize(
    ("factor", "reason"), [(1.0, "falls at none from 1e-07 to"), (math.nan, "is no number")]
)
def test_a_loss_that_never_falls_gives_no_suggestion(
    setup: Setup, monkeypatch: pytest.MonkeyPatch, factor: float, reason: str
) -> None:
    def rising(_trainer: Trainer, _batch: object, rate: float) -> object:
        return {"loss": torch.tensor(factor * (1 + rate))}, None

    monkeypatch.setattr(Trainer, "step", rising)
    with pytest.raises(TrainingError, match=f"no rate to suggest: the loss {reason}"):
        find_lr(setup.recipe, setup.network, setup.data, setup.streams)


def test_rates_rise_evenly_in_the_logarithm(setup: Setup) -> None:
    rates = torch.tensor(find_lr(setup.recipe, setup.network, setup.data, setup.streams).rates)
    assert rates[0] == pytest.approx(LOWEST)
    steps = rates.log10().diff()
    assert steps.numpy() == pytest.approx(
        (torch.tensor(HIGHEST / LOWEST).log10() / 99).item(), rel=1e-3
    )


def test_network_data_and_generators_are_left_as_they_were(setup: Setup) -> None:
    before = copy.deepcopy(setup.network.state_dict())
    training = setup.network.training
    pixels = setup.data.train.pixels.clone()
    drawn = torch.random.get_rng_state()
    find_lr(setup.recipe, setup.network, setup.data, setup.streams)
    after = setup.network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert setup.network.training == training
    assert all(parameter.grad is None for parameter in setup.network.parameters())
    assert torch.equal(pixels, setup.data.train.pixels)
    assert torch.equal(drawn, torch.random.get_rng_state())


def test_the_same_seed_finds_the_same(setup: Setup) -> None:
    first, second = (
        find_lr(setup.recipe, setup.network, setup.data, setup.streams) for _ in range(2)
    )
    assert first == second


def test_a_recipe_that_cannot_be_trained_is_refused(setup: Setup) -> None:
    loss = {"delta": 1.0, "jigsaw_grid": 3}
    bad = validated({**setup.recipe.model_dump(), "loss": loss})
    with pytest.raises(UsageError, match=r"loss\.jigsaw_grid=3 does not divide"):
        find_lr(bad, setup.network, setup.data, setup.streams)


def test_the_command_writes_a_picture_and_no_run(
    in_empty_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ["data=shapes", "data.per_class=20", "network.encoder=C(4)", "train.batch_size=16"]
    arguments = ["wye", "find-lr", "autoencoders/conv-shallow", *small, "--out", "at/lr.svg"]
    monkeypatch.setattr(sys, "argv", [*arguments, "network.decoder=mirror", "--json"])
    try:
        main()
    except SystemExit as end:
        assert not end.code
    found = json.loads(capsys.readouterr().out)
    assert found["row"] == "autoencoders/conv-shallow"
    assert len(found["rates"]) == len(found["losses"]) > 10
    assert found["rates"][0] <= found["suggestion"] <= found["rates"][-1]
    root = ET.parse(found["picture"]).getroot()
    assert f"steepest at {found['suggestion']:.1e}" in root.attrib["aria-label"]
    assert [str(path) for path in Path().rglob("*.*")] == ["at/lr.svg"]

"""The learning-rate range test: it suggests a rate that trains, and leaves everything as it was."""

from __future__ import annotations

import copy
import json
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import torch
from tiny import tiny_set

from wye.cli import main
from wye.errors import UsageError
from wye.recipe.overrides import validated
from wye.recipe.schema import Recipe
from wye.runs.setup import Setup, set_up
from wye.training import Trainer
from wye.training.find_lr import HIGHEST, LOWEST, find_lr


def recipe(**train: object) -> Recipe:
    network = {"encoder": "C'(8) > BN > C(8) > D(0.2)", "classifier": "L(16) > L'(classes)"}
    settings = {"batch_size": 8, "epochs": 3, **train}
    data = {"name": "tiny", "validation": 0.2}
    return validated({"row": "tiny", "data": data, "network": network, "train": settings})


@pytest.fixture
def setup(monkeypatch: pytest.MonkeyPatch) -> Setup:
    monkeypatch.setattr("wye.runs.setup.load", lambda *_, **__: tiny_set())
    return set_up(recipe(momentum=0.9))


def test_the_suggestion_trains_and_the_extremes_do_not(setup: Setup) -> None:
    found = find_lr(setup.recipe, setup.network, setup.data, setup.streams)
    assert 1e-4 < found.suggestion < 1
    assert found.suggestion < found.minimum

    def loss_at(rate: float) -> float:
        settings = recipe(momentum=0.9, lr=rate)
        network = copy.deepcopy(setup.network)
        trainer = Trainer(settings, network, setup.data, setup.streams)
        return [record.train["loss"] for record in trainer.epochs()][-1]

    assert loss_at(found.suggestion) < 0.7 * loss_at(found.suggestion / 1000)


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
    curve = next(path for path in root.iter("{http://www.w3.org/2000/svg}path"))
    assert len(curve.attrib["d"].split("L")) == len(found["rates"])
    assert [str(path) for path in Path().rglob("*.*")] == ["at/lr.svg"]

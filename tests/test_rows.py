"""Every row of every study is built and trained for two steps, on generated images."""

from __future__ import annotations

import math

import pytest
import torch

from wye.data import DATASETS
from wye.data.images import DataSet, Images
from wye.data.sources import load
from wye.data.transforms import pipeline
from wye.recipe import Recipe, resolve
from wye.runs.setup import set_up
from wye.studies import row_names
from wye.training import Trainer


@pytest.fixture(scope="module")
def shapes() -> DataSet:
    """The first images of `shapes`, every class among them."""
    whole = load("shapes")
    return DataSet(
        "shapes",
        whole.classes,
        whole.train.take(torch.arange(400)),
        whole.test.take(torch.arange(50)),
    )


def like(shapes: DataSet, recipe: Recipe) -> DataSet:
    """`shapes` in the form and with the class names of the data set that the row asks for."""
    source = DATASETS[recipe.data.name]
    channels, side, _ = source.shape
    resize = pipeline(f"resize({side})" + (" > grey" if channels == 1 else ""))

    def changed(images: Images) -> Images:
        pixels = resize(images.pixels, torch.Generator())[:, :channels]
        if pixels.dtype != torch.uint8:
            pixels = pixels.mul(255).round().clamp(0, 255).to(torch.uint8)
        return Images(pixels.contiguous(), images.labels)

    return DataSet(recipe.data.name, source.classes, changed(shapes.train), changed(shapes.test))


@pytest.mark.parametrize("row", row_names())
def test_every_row_trains(row: str, shapes: DataSet, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = resolve(row, {"train": {"batch_size": 32}, "evaluation": {"watch_test": False}})
    monkeypatch.setattr("wye.runs.setup.load", lambda *_, **__: like(shapes, recipe))
    setup = set_up(recipe)
    before = {name: value.clone() for name, value in setup.network.named_parameters()}
    trainer = Trainer(recipe, setup.network, setup.data, setup.streams, max_steps=2)
    record = next(trainer.epochs())
    assert all(math.isfinite(value) for value in record.train.values())
    phase = trainer.phases[0]
    after = dict(setup.network.named_parameters())
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert any(name.startswith("encoder") for name in moved)
    for part, weight in (("decoder", phase.loss.beta), ("classifier", phase.loss.alpha)):
        if weight > 0:
            assert any(name.startswith(part) for name in moved)

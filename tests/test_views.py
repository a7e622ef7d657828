"""Views that are averaged when a network is measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import wye
from wye.errors import UsageError
from wye.evaluation.views import Views
from wye.recipe.resolve import resolve
from wye.runs.setup import set_up

pytestmark = pytest.mark.usefixtures("without_plots")

SIX = Views(mirror=True, shift=2)


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(3, 2, 6, 7, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    "views", [Views(), Views(mirror=True), Views(shift=1), SIX], ids=["one", "two", "three", "six"]
)
def test_weights_of_the_views_add_up(images: torch.Tensor, views: Views) -> None:
    assert views.own_weight + sum(weight for _, weight in views.others(images)) == 1


def test_six_views_are_mirrored_and_moved(images: torch.Tensor) -> None:
    padded = np.pad(images.numpy(), ((0, 0), (0, 0), (2, 2), (2, 2)), mode="reflect")
    down, up = padded[:, :, :6, :7], padded[:, :, 4:, 4:]
    wanted = [(images.numpy()[..., ::-1], 0.25)]
    wanted += [(view[..., ::step], 0.125) for view in (down, up) for step in (1, -1)]
    for (view, weight), (pixels, share) in zip(SIX.others(images), wanted, strict=True):
        np.testing.assert_array_equal(view.numpy(), pixels)
        assert weight == share


def test_a_run_is_measured_by_its_views(tmp_path: Path) -> None:
    data = {"data": {"name": "shapes", "per_class": 20, "view": ""}, "train": {"epochs": 1}}
    network = {"network": {"encoder": "C(4) > C(6)", "classifier": "L'(classes)"}}
    views = {"evaluation": {"mirror_views": True, "shifted_views": 2}}
    run = wye.train("joint/v2", out=tmp_path / "run", **data, **network, **views)
    assert run.result is not None
    model, test = wye.load(run), set_up(run.recipe).data.test
    inputs = model.inputs.apply(test.pixels[:])
    with torch.inference_mode():
        logits = model.network(inputs).logits * SIX.own_weight
        for view, weight in SIX.others(inputs):
            logits += model.network(view).logits * weight
    entropy = torch.nn.functional.cross_entropy(logits, test.labels).item()
    assert run.result["test"]["cross_entropy"] == pytest.approx(entropy, rel=1e-4)


def test_views_must_fit_the_images() -> None:
    recipe = resolve("joint/v2", {"data": {"name": "shapes"}, "evaluation": {"shifted_views": 32}})
    with pytest.raises(UsageError, match=r"evaluation\.shifted_views=32: images of 32x32"):
        set_up(recipe)

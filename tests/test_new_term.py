"""A term of the objective is one file: this one adds one, and it is found wherever terms are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from torch import Tensor

from wye.errors import UsageError
from wye.objective import TERMS, Step, Term, register
from wye.progress import columns
from wye.recipe import resolve
from wye.recipe.overrides import parse_overrides
from wye.recipe.schema import LossSettings
from wye.runs.launch import Launch, launch

pytestmark = pytest.mark.usefixtures("without_plots")


class Smoothness(Term):
    """Mean absolute difference of neighbouring pixels of the reconstruction."""

    name = "smoothness"
    weight = "sigma"
    meaning = "Smoothness: mean absolute difference of neighbouring pixels."
    column = "smooth"
    needs = frozenset({"decoder"})

    def compute(self, step: Step) -> Tensor:
        assert step.reconstruction is not None
        return (step.reconstruction.diff(dim=2).abs().mean()).float()


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    register(Smoothness)
    yield
    del TERMS._entries["smoothness"]


SMALL = [
    *("data=shapes", "data.per_class=8", "data.validation=0.25"),
    *("train.epochs=1", "evaluation.watch_test=false"),
]


def test_it_is_trained_with_and_written_down(in_empty_folder: Path) -> None:
    recipe = resolve("joint/v3.1", parse_overrides([*SMALL, "loss.sigma=0.5"]))
    assert recipe.loss.weights()["smoothness"] == 0.5
    run = launch(Launch(recipe=recipe, out=Path("run"), device="cpu", max_steps=2))
    line = json.loads((run.path / "metrics.jsonl").read_text().splitlines()[-1])
    for part in ("train", "validation"):
        terms = line[part]
        whole = terms["classification"] + terms["reconstruction"] + 0.5 * terms["smoothness"]
        assert terms["loss"] == pytest.approx(whole, rel=1e-4)
    assert run.recipe.loss == recipe.loss


def test_it_is_not_computed_where_it_weighs_nothing(in_empty_folder: Path) -> None:
    recipe = resolve("joint/v3.1", parse_overrides(SMALL))
    run = launch(Launch(recipe=recipe, out=Path("run"), device="cpu", max_steps=1))
    assert "smoothness" not in (run.path / "metrics.jsonl").read_text()


def test_what_it_needs_is_asked_for() -> None:
    with pytest.raises(UsageError, match=r"loss\.sigma=1 needs a decoder"):
        resolve("joint/v4-no-decoder", parse_overrides(["loss.sigma=1"]))
    with pytest.raises(UsageError, match=r"loss\.sigma=-1: it should be greater"):
        resolve("joint/v4", parse_overrides(["loss.sigma=-1"]))
    with pytest.raises(UsageError, match=r"loss\.sigm: there is no such setting.*'sigma'"):
        resolve("joint/v4", parse_overrides(["loss.sigm=1"]))


def test_it_may_be_all_that_is_learned_from() -> None:
    weights = ["loss.alpha=0", "loss.beta=0", "loss.sigma=1"]
    assert resolve("joint/v4", parse_overrides(weights)).loss.weights()["smoothness"] == 1


def test_it_has_a_column_and_a_meaning() -> None:
    recipe = resolve("joint/v4", parse_overrides(["loss.sigma=1"]))
    headings = [column.heading for column in columns(recipe)]
    assert "smooth" in headings
    assert "smooth" not in [column.heading for column in columns(resolve("joint/v4"))]
    assert sum(column.width + 1 for column in columns(recipe)) <= 81
    assert LossSettings.meanings()["sigma"] == Smoothness.meaning

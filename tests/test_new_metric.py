"""A metric is one object: this file registers one, lower is better, and finds it everywhere."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import wye
from wye.cli.app import app
from wye.evidence import splits
from wye.evidence.claims import read_claims
from wye.metrics import METRICS, Evaluated, Metric, best, metrics_of, register
from wye.recipe import Recipe, recipe_from_row, resolve
from wye.recipe.measured import caveat
from wye.recipe.overrides import parse_overrides
from wye.runs import Run

pytestmark = pytest.mark.usefixtures("without_plots")


def worst(of: Evaluated) -> float | None:
    return float(of.errors["mse"].max()) if of.errors else None


WORST = Metric(
    name="worst_mse",
    label="Worst MSE",
    meaning="Squared error of the image that is reconstructed worst.",
    higher_is_better=False,
    compute=worst,
    needs=frozenset({"decoder"}),
    headline=True,
    decimals=4,
    unit="u",
)


@pytest.fixture(autouse=True, scope="module")
def registered() -> Iterator[None]:
    register(WORST)
    yield
    del METRICS._entries["worst_mse"]


SMALL: dict[str, Any] = {
    "row": "test/small",
    "data": {"name": "shapes", "channels": 1, "per_class": 8, "validation": 0.25},
    "network": {"encoder": "C(4) > C(6)", "classifier": "L(16) > L'(classes)"},
    "train": {"epochs": 1, "batch_size": 32, "lr": 0.05},
}


@pytest.fixture(scope="module")
def runs(registered: None, tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    root = tmp_path_factory.mktemp("runs")
    recipe = Recipe.model_validate(SMALL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("wye.api.available", lambda: False)  # the plots of these runs are not used
        return [
            wye.train(recipe, seed=seed, out=root / name / str(seed), train={"lr": lr})
            for name, lr in (("a", 0.05), ("b", 0.01))
            for seed in (0, 1)
        ]


def value(run: Run) -> float:
    assert run.result is not None
    return float(run.result["test"]["worst_mse"])


def out(*arguments: str) -> str:
    done = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_a_direction_must_be_stated() -> None:
    with pytest.raises(TypeError, match="higher_is_better"):
        Metric(name="x", label="X", meaning="Nothing.")  # type: ignore[call-arg]
    undecided: Any = None
    with pytest.raises(ValueError, match="higher_is_better should be True or False"):
        register(Metric(name="x", label="X", meaning="Nothing.", higher_is_better=undecided))
    assert "x" not in METRICS


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_says_what_it_is(name: str) -> None:
    metric = METRICS[name]
    assert metric.name == name and metric.label and metric.meaning.endswith(".")
    better, worse = (2.0, 1.0) if metric.higher_is_better else (1.0, 2.0)
    assert metric.cost(better) < metric.cost(worse) < metric.cost(math.nan)
    assert best({"a": worse, "b": better, "c": math.nan}, name) == "b"


def test_it_is_measured_with_the_others(runs: list[Run]) -> None:
    for run in runs:
        assert run.result is not None
        assert value(run) > run.result["test"]["mse"]
        assert run.result["validation"]["worst_mse"] > 0
        assert metrics_of(run.result)["worst_mse"] == value(run)
        assert run.config["test"]["worst_mse"] == value(run)


def test_the_best_split_is_the_lowest(runs: list[Run]) -> None:
    found = splits.summary(runs[:2])["worst_mse"]
    lowest = min(runs[:2], key=value)
    assert found["best"] == {"value": value(lowest), "seed": lowest.recipe.seed}


def test_it_is_compared_and_evaluated(runs: list[Run]) -> None:
    first, second = (str(run.path.parent) for run in (runs[0], runs[2]))
    document = json.loads(out("compare", first, second, "--json"))
    expected = sum(value(a) - value(b) for a, b in zip(runs[:2], runs[2:], strict=True)) / 2
    metric = document["metrics"]["worst_mse"]
    assert metric["difference"] == pytest.approx(expected, rel=1e-9)
    assert f"{value(runs[0]):.4f} u" in out("evaluate", str(runs[0].path))


def test_it_may_be_claimed_and_published() -> None:
    claim = "{id: X-1, says: it falls, where: here, metric: worst_mse, margin: 0,"
    rows = "higher: joint/v2, lower: joint/v4}"
    assert read_claims(f"[{claim} {rows}]")[0].unit == "u"
    with pytest.raises(wye.errors.UsageError, match="measure no worst_mse"):
        read_claims(f"[{claim} higher: joint/v2, lower: joint/v4-no-decoder}}]")
    file = {**SMALL, "published": {"worst_mse": 0.5}}
    assert Recipe.model_validate(file).reference("worst_mse") == 0.5
    with pytest.raises(ValueError, match=r"published\.worst: no such metric; did you mean"):
        Recipe.model_validate({**SMALL, "published": {"worst": 1}})


CAVEATS = {
    "joint/v4": "",
    "joint/v4-beta0": "the decoder is untrained",
    "joint/v4-no-decoder": "",
    "joint/v4-two-phase": "the encoder went on learning without the decoder",
    "joint/v4-two-phase-frozen": "",
    "joint/v4-jigsaw": "",
    "when/classifier-50-clean-even": "the decoder is untrained",
    "when/autoencoder-first-50-clean-even": "the encoder went on learning without the decoder",
    "pretrain/autoencoder": "",
}


@pytest.mark.parametrize("row", CAVEATS)
def test_a_reconstruction_of_an_untrained_decoder_says_nothing(row: str) -> None:
    recipe = recipe_from_row(row)
    assert caveat(recipe, "worst_mse") == caveat(recipe, "psnr") == CAVEATS[row]
    assert caveat(recipe, "accuracy") == caveat(recipe, "psnr_pca") == ""


def test_no_claim_rests_on_an_untrained_decoder() -> None:
    claim = "{id: X-1, says: it falls, where: here, metric: psnr, margin: 0,"
    with pytest.raises(wye.errors.UsageError, match=r"psnr of joint/v4-beta0 says nothing"):
        read_claims(f"[{claim} higher: joint/v4, lower: joint/v4-beta0}}]")


def test_it_is_flagged_wherever_it_is_printed(in_empty_folder: Path) -> None:
    network = ["network.encoder=C(4) > C(6)", "network.classifier=L'(classes)"]
    small = ["data=shapes", "data.per_class=8", "train.epochs=1", "loss.beta=0"]
    recipe = resolve("joint/v3.1", parse_overrides([*small, *network]))
    out_of = {seed: wye.train(recipe, seed=seed, out=Path(f"a/{seed}")) for seed in (0,)}
    from wye.cli.output import print_result

    assert caveat(out_of[0].recipe, "psnr") == "the decoder is untrained"
    again = CliRunner().invoke(app, ["train", "a/0", "--out", "a/0", "--resume"])
    assert again.exit_code == 0
    with pytest.MonkeyPatch.context() as patch:
        lines: list[str] = []
        patch.setattr("builtins.print", lambda *text, **_: lines.append(" ".join(map(str, text))))
        print_result(out_of[0])
    assert any("psnr *" in line for line in lines)
    assert "* the decoder is untrained" in lines
    assert not any("accuracy *" in line for line in lines)
    wye.train(recipe, out=Path("b/0"))
    assert "of A: the decoder is untrained" in out("compare", "a", "b")

"""Wye from Python: what is at hand, the model as a module, cards, and the docstrings' examples."""

from __future__ import annotations

import copy
import doctest
import importlib
import importlib.util
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import wye
from wye.errors import UsageError
from wye.recipe.resolve import resolve
from wye.runs.model import Model
from wye.runs.run import Run


def small(out: Path, **further: Any) -> Run:
    """A short run of a network with a side path, which its decoder reads."""
    return wye.train(
        "joint/v4",
        data={"name": "shapes", "per_class": 4, "validation": 0.2},
        network={
            "encoder": "Y(2) > C(4) > BN",
            "decoder": "J > T(6) > C'(3, act=none)",
            "classifier": "G > D(0.5) > L'(classes)",
        },
        train={"epochs": 1, "batch_size": 20},
        out=out,
        **further,
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return small(tmp_path_factory.mktemp("python") / "<b>run", progress=False)


@pytest.fixture(scope="module")
def model(run: Run) -> Model:
    return wye.load(run)


@pytest.fixture(scope="module")
def pixels() -> torch.Tensor:
    return wye.data.load("shapes").test.pixels[:12]


def test_everything_is_offered_and_found() -> None:
    wanted = {
        "train",
        "load",
        "rows",
        "results",
        "data",
        "Run",
        "Model",
        "Recipe",
        "SupervisedAutoencoder",
    }
    offered = {name for name in dir(wye) if not name.startswith("_")}
    assert offered == wanted == set(wye.__all__) - {"__version__"}
    for name in wye.__all__:
        assert getattr(wye, name) is not None
    assert wye.rows("joint")[0] == "joint/v1" and set(wye.rows("joint")) < set(wye.rows())
    with pytest.raises(UsageError, match="did you mean 'joint'"):
        wye.rows("jiont")
    with pytest.raises(AttributeError, match="nothing"):
        _ = wye.nothing


def test_importing_wye_imports_nothing_heavy() -> None:
    script = "import sys, wye; dir(wye); print(sorted({'torch', 'numpy', 'PIL'} & {*sys.modules}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_a_model_takes_bytes_floats_arrays_files_and_pictures(
    model: Model, pixels: torch.Tensor, tmp_path: Path
) -> None:
    wanted = model.predict_proba(pixels)
    assert np.allclose(model.predict_proba(pixels.numpy()), wanted, atol=1e-6)
    assert np.allclose(model.predict_proba(pixels.float() / 255), wanted, atol=1e-5)
    assert np.allclose(model.predict_proba(pixels.double().numpy() / 255), wanted, atol=1e-5)
    picture = Image.fromarray(pixels[0].permute(1, 2, 0).numpy())
    picture.save(tmp_path / "one.png")
    for one in (picture, tmp_path / "one.png", str(tmp_path / "one.png"), [picture]):
        assert np.allclose(model.predict_proba(one), wanted[:1], atol=1e-6)
    logits = model([picture, picture]).logits
    assert logits is not None and logits.shape == (2, 10)


@pytest.mark.parametrize(
    ("images", "complaint"),
    [
        (np.zeros((2, 3, 32, 32), np.int64), "uint8 or floats"),
        (np.zeros((2, 3, 31, 32), np.uint8), r"\(N, 3, 32, 32\)"),
        (np.full((2, 3, 32, 32), 200.0), "go from 200 to 200"),
    ],
)
def test_other_images_are_refused(model: Model, images: np.ndarray, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        model.predict(images)


def test_the_preprocessing_is_inside(model: Model, pixels: torch.Tensor) -> None:
    logits, reconstruction, latent = model(pixels)
    plain = model.network(model.inputs.apply(pixels))
    assert torch.allclose(logits, plain.logits, atol=1e-5)
    assert torch.allclose(reconstruction, model.targets.undo(plain.reconstruction), atol=1e-5)
    assert np.allclose(model.embed(pixels), latent, atol=1e-5)


def test_a_code_is_all_that_the_decoder_is_given(model: Model, pixels: torch.Tensor) -> None:
    codes = model.embed(pixels)
    assert codes.shape == (12, model.latent_size) and model.latent_size == 4 * 256 + 2 * 1024
    assert np.allclose(model.decode(codes), model.reconstruct(pixels), atol=1e-5)
    other = codes.copy()
    other[:, -2 * 1024 :] = 0
    assert not np.allclose(model.decode(other), model.decode(codes), atol=1e-3)
    with pytest.raises(UsageError, match=r"\(N, 3072\)"):
        model.decode(codes[:, :5])


def test_names_scores_and_anomalies(model: Model, pixels: torch.Tensor) -> None:
    places, names = model.predict(pixels), model.predict(pixels, names=True)
    assert [model.classes[at] for at in places] == names.tolist()
    assert model.score(pixels, places) == model.score(pixels, names) == 1.0
    assert model.score(pixels, (places + 1) % 10) == 0.0
    with pytest.raises(UsageError, match="no class"):
        model.score(pixels, ["unicorn"] * 12)
    with pytest.raises(UsageError, match="as many labels"):
        model.score(pixels, places[:3])
    errors = ((model.reconstruct(pixels) - pixels.numpy() / 255) ** 2).mean((1, 2, 3))
    assert np.allclose(model.anomaly(pixels), errors, atol=1e-5)


def test_a_trainable_model_learns_and_predicts_between_the_steps(
    run: Run, model: Model, pixels: torch.Tensor
) -> None:
    assert not any(parameter.requires_grad for parameter in model.parameters())
    learner = wye.load(run, trainable=True)
    assert learner.training and np.allclose(
        learner.predict_proba(pixels), model.predict_proba(pixels)
    )
    optimizer = torch.optim.SGD(learner.parameters(), lr=0.1)
    targets, losses = pixels.float() / 255, []
    for _ in range(5):
        _, reconstruction, _ = learner(pixels)
        loss = (reconstruction - targets).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        statistics = copy.deepcopy(dict(learner.network.named_buffers()))
        learner.predict(pixels)
        assert learner.training
        for name, value in learner.network.named_buffers():
            assert torch.equal(value, statistics[name]), "predicting must not move statistics"
    assert losses[-1] < losses[0]


def test_copies_and_pickles_hold_no_code(model: Model, pixels: torch.Tensor) -> None:
    for again in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert np.array_equal(again.predict_proba(pixels), model.predict_proba(pixels))
        assert again.state_dict().keys() == model.state_dict().keys()


def test_cards_have_metrics_and_pictures_and_no_markup_of_others(run: Run, model: Model) -> None:
    assert repr(run).startswith("<wye.Run joint/v4: folder") and "accuracy" in repr(run)
    page = run._repr_html_()
    assert "&lt;b&gt;run" in page and "<b>run" not in page
    assert page.count("data:image/png;base64,") == 1 and "PSNR" in page
    assert "3,072" in repr(model) and "J &gt; T(6)" in model._repr_html_()
    recipe = run.recipe
    assert "alpha 1, beta 1" in repr(recipe) and "<td" in recipe._repr_html_()


def test_a_damaged_run_can_be_shown(run: Run, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_bytes((run.path / "recipe.yaml").read_bytes())
    (tmp_path / "result.json").write_text("{")
    assert "damaged" in repr(Run(tmp_path)) and "damaged" in Run(tmp_path)._repr_html_()


def test_progress_is_shown_when_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def train(name: str, progress: bool | None) -> str:
        small(tmp_path / name, progress=progress)
        return capsys.readouterr().err

    assert "epoch" in train("shown", True)
    assert "epoch" not in train("silent", None), "nobody is at a terminal"


def test_a_protocol_is_of_a_row() -> None:
    with pytest.raises(UsageError, match="protocol='short' is for a row's name"):
        wye.train(resolve("joint/v1"), protocol="short")


PUBLIC = ("wye.api", "wye.estimator", "wye.runs.run", "wye.runs.model", "wye.recipe.schema")
PUBLIC += ("wye.runs.sharing",) if importlib.util.find_spec("huggingface_hub") else ()


def test_the_examples_in_docstrings_are_right(
    in_empty_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The yardstick of PCA alone would take a minute.
    measuring = importlib.import_module("wye.evaluation.measure")
    monkeypatch.setattr(measuring, "psnr_pca", lambda *_, **__: None)
    finder, runner = doctest.DocTestFinder(exclude_empty=True), doctest.DocTestRunner()
    for name in PUBLIC:
        for test in finder.find(importlib.import_module(name)):
            assert not runner.run(test).failed, test.name
    assert runner.tries > 10


def test_every_public_thing_has_an_example() -> None:
    for name in ("train", "load", "rows", "Run", "Model", "Recipe", "SupervisedAutoencoder"):
        assert ">>> " in (getattr(wye, name).__doc__ or ""), name

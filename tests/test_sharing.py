"""A model handed on: a folder for others, its card, and the hub, without a network."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import CommandLine
from folders import draw

import wye
from wye.errors import MachineError, UsageError
from wye.runs.run import Run

hub = pytest.importorskip("huggingface_hub")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Of own images, whose folder is nobody else's business."""
    images = tmp_path_factory.mktemp("private") / "garden"
    draw(images)
    return wye.train(
        str(images),
        network={"encoder": "C(4)", "decoder": "mirror", "classifier": "G > L'(classes)"},
        train={"epochs": 1, "batch_size": 8},
        out=images.parent / "run",
        progress=False,
    )


@pytest.fixture(scope="module")
def shared(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shared") / "model"
    wye.load(run).save_pretrained(folder)
    return folder


def images(model: wye.Model, count: int = 5) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).integers(0, 256, (count, *model.pixels), dtype=np.uint8)


def test_a_folder_for_others_gives_the_same_model_and_names_no_path(run: Run, shared: Path) -> None:
    model, again = wye.load(run), wye.Model.from_pretrained(shared)
    assert np.array_equal(model.predict_proba(images(model)), again.predict_proba(images(model)))
    assert again.reference == model.reference and again.reading == model.reading
    trainable = wye.Model.from_pretrained(str(shared), trainable=True)
    assert trainable.training and all(weight.requires_grad for weight in trainable.parameters())
    assert {path.name for path in shared.iterdir()} == {
        *("README.md", "config.json", "model.safetensors"),
        *("recipe.yaml", "result.json", "environment.json"),
    }
    for path in shared.iterdir():
        assert str(run.path.parent).encode() not in path.read_bytes(), path
    assert Run(shared).recipe.data.name == "garden" and Run(shared).figures == run.figures


def test_the_card_has_the_numbers_the_data_the_recipe_and_how_to_load_it(
    run: Run, shared: Path
) -> None:
    card = hub.ModelCard.load(shared / "README.md")
    metrics = {each.metric_type: each.metric_value for each in card.data.eval_results}
    assert metrics["accuracy"] == pytest.approx(run.figures["accuracy"], abs=1e-6)
    assert metrics["psnr"] == pytest.approx(run.figures["psnr"], abs=1e-6)
    assert "train_loss" not in metrics, "it is not of the test images"
    assert card.data.library_name == "wye"
    assert f"| Accuracy | {100 * run.figures['accuracy']:.2f} % |" in card.text
    for text in ("cat, dog", "Own images (garden)", "`G > L'(classes)`", "wye train recipe.yaml"):
        assert text in card.text, text
    assert 'from_pretrained("FOLDER")' in card.text and "More Information Needed" not in card.text


def test_a_model_that_was_changed_has_no_numbers_of_before(run: Run, tmp_path: Path) -> None:
    model = wye.load(run, trainable=True)
    with torch.no_grad():
        next(model.parameters()).add_(0.1)
    model.save_pretrained(tmp_path / "changed")
    card = hub.ModelCard.load(tmp_path / "changed" / "README.md")
    assert "Nothing: no run measured these weights" in card.text and not card.data.eval_results
    assert not (tmp_path / "changed" / "result.json").exists()


def test_the_model_of_an_estimator_can_be_handed_on_after_a_pickle(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (20, 8, 8), dtype=np.uint8)
    fitted = wye.SupervisedAutoencoder(epochs=1).fit(pixels, np.arange(20) % 2)
    model = pickle.loads(pickle.dumps(fitted)).model_
    model.save_pretrained(tmp_path / "model")
    again = wye.Model.from_pretrained(tmp_path / "model")
    assert np.array_equal(again.embed(images(model)), model.embed(images(model)))
    assert "no run measured" in (tmp_path / "model" / "README.md").read_text()


def test_what_is_there_is_not_overwritten(
    run: Run, shared: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = shutil.copytree(shared, tmp_path / "model")
    (folder / "README.md").write_text("mine")
    wye.load(run).save_pretrained(folder)
    assert (folder / "README.md").read_text() == "mine"
    assert "is there already and left as it is" in caplog.text
    with pytest.raises(UsageError, match="is the folder of a run"):
        wye.load(run).save_pretrained(run.path)


def test_the_hub_gets_the_folder_and_its_card_says_the_name(
    run: Run, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: dict[str, Any] = {}

    def upload(api: Any, *, repo_id: str, folder_path: Path, **further: Any) -> str:
        files = {path.name: path.read_bytes() for path in Path(folder_path).iterdir()}
        sent.update(files=files, **further)
        return f"https://hub/{repo_id}/commit/1"

    def create(api: Any, repo_id: str, **further: Any) -> Any:
        sent.update(further)
        return hub.RepoUrl(f"https://huggingface.co/{repo_id}")

    monkeypatch.setattr(hub.HfApi, "create_repo", create)
    monkeypatch.setattr(hub.HfApi, "upload_folder", upload)
    address = wye.load(run).push_to_hub("me/garden", private=True, commit_message="the first")
    assert address == "https://hub/me/garden/commit/1"
    assert sent["private"] is True and sent["commit_message"] == "the first"
    for name in ("config.json", "model.safetensors", "recipe.yaml", "result.json"):
        assert sent["files"][name] == (shared / name).read_bytes(), name
    assert b'from_pretrained("me/garden")' in sent["files"]["README.md"]

    def refuse(*_: Any, **__: Any) -> Any:
        raise ConnectionError("no way out")

    monkeypatch.setattr(hub.HfApi, "create_repo", refuse)
    with pytest.raises(MachineError, match="me/garden cannot be written: no way out"):
        wye.load(run).push_to_hub("me/garden")


def test_a_repository_of_the_hub_is_read_from_its_cache(shared: Path, tmp_path: Path) -> None:
    repository = tmp_path / "models--me--garden"
    shutil.copytree(shared, repository / "snapshots" / ("a" * 40))
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("a" * 40)
    options = {"cache_dir": tmp_path, "local_files_only": True}
    model = wye.Model.from_pretrained("me/garden", **options)
    assert model.classes == ("cat", "dog")
    with pytest.raises(MachineError, match="me/other cannot be had"):
        wye.Model.from_pretrained("me/other", **options)
    with pytest.raises(UsageError, match="neither a folder nor a repository"):
        wye.Model.from_pretrained("no/such/folder", **options)


def test_the_command_writes_the_same_folder(
    run: Run, shared: Path, tmp_path: Path, command_line: CommandLine
) -> None:
    answer = command_line("export", run.path, "--format", "folder", "--out", tmp_path / "model")
    assert answer.status == 0 and answer.out.strip() == str(tmp_path / "model")
    for path in shared.iterdir():
        assert (tmp_path / "model" / path.name).read_bytes() == path.read_bytes()
    answer = command_line("export", run.path, "--format", "folder", "--part", "encoder")
    assert answer.status == 2 and "drop --part" in answer.err
    answer = command_line("predict", shared, draw(tmp_path / "new"))
    assert answer.status == 0 and "cat" in answer.out, answer.err


def test_a_damaged_folder_is_refused(shared: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(shared, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "classes": ["one"]}))
    with pytest.raises(MachineError, match=r"not of the weights in model\.safetensors"):
        wye.Model.from_pretrained(folder)
    (folder / "config.json").write_text("[]")
    with pytest.raises(MachineError, match="cannot be had"):
        wye.Model.from_pretrained(folder)


def test_without_its_package_the_extra_is_named(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for call in (wye.load(run).save_pretrained, wye.Model.from_pretrained):
        with pytest.raises(UsageError, match=r"pip install 'wye\[hub\]'"):
            call(tmp_path)

"""Run folders: what is in them, resuming, and what is left after a failure."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import time
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from command_processes import command, kill
from filelock import FileLock
from PIL import Image

import wye
import wye.recipe
from wye.data import load
from wye.data.prepare import with_channels
from wye.errors import MachineError, TrainingError, UsageError
from wye.plots.style import available
from wye.recipe import Recipe
from wye.runs import Run, RunFolder, find_runs
from wye.runs.folder import finite
from wye.runs.setup import set_up
from wye.training import precision

pytestmark = pytest.mark.usefixtures("without_plots")

SMALL = {
    "data": {"name": "shapes", "channels": 1, "per_class": 20, "augment": "flip > crop(2)"},
    "network": {"encoder": "C(4) > C(6)", "classifier": "L(16) > D(0.2) > L'(classes)"},
    "train": {"epochs": 2, "batch_size": 32, "lr": 0.05, "momentum": 0.9, "precision": "fp32"},
}


def small(**changes: Any) -> Recipe:
    settings = {
        key: {**SMALL.get(key, {}), **changes.get(key, {})}
        for key in ("data", "network", "loss", "train", "evaluation")
    }
    rest = {key: value for key, value in changes.items() if key not in settings}
    return Recipe.model_validate({"row": "test/small", **settings, **rest})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return wye.train(small(evaluation={"watch_test": True}), out=tmp_path_factory.mktemp("r") / "a")


def test_a_run_folder_holds_what_it_should(run: Run) -> None:
    names = {path.name for path in run.path.iterdir()}
    assert names == {
        "recipe.yaml",
        "environment.json",
        "metrics.jsonl",
        "result.json",
        "model.safetensors",
        "best.safetensors",
        "config.json",
        "predictions.safetensors",
        "examples.safetensors",
        "mistakes.safetensors",
        "last.ckpt",
        "journal.jsonl",
        "figures",
    }
    assert {path.name for path in run.folder.figures.iterdir()} == {
        "curves.svg",
        "confusion.svg",
        "gallery.png",
    }


def test_the_examples_are_what_the_model_makes_of_test_images(run: Run) -> None:
    examples = run.examples()
    assert examples is not None
    originals, reconstructions, inputs, indices = examples
    assert inputs is None and indices is not None
    test = set_up(run.recipe).data.test.pixels[:]
    assert len(originals) == 10
    assert torch.equal(originals, test[indices])
    rebuilt = torch.from_numpy(wye.load(run).reconstruct(originals))
    assert (rebuilt * 255 - reconstructions).abs().max() < 1


def test_a_model_computes_as_it_was_trained_where_that_is_quick(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = wye.train(small(train={"precision": "bf16"}), out=tmp_path / "run")
    model = wye.load(done)
    pixels = set_up(done.recipe).data.test.pixels[:]
    inputs = model.inputs.apply(pixels)
    with torch.inference_mode():
        exact = model.network(inputs)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            quick = model.network(inputs)
    for pays, wanted in ((True, quick), (False, exact)):
        monkeypatch.setattr(precision, "bf16_pays", lambda pays=pays: pays)
        logits, rebuilt = model.logits(pixels), torch.from_numpy(model.reconstruct(pixels))
        assert logits.dtype == rebuilt.dtype == torch.float32
        assert torch.equal(logits, wanted.logits.float())
        assert torch.equal(rebuilt, model.targets.undo(wanted.reconstruction))
    assert not torch.equal(exact.logits, quick.logits.float())


def test_the_result_has_every_figure(run: Run) -> None:
    result = run.result
    assert result is not None
    assert (result["row"], result["seed"], result["status"]) == ("test/small", 0, "complete")
    for part in ("test", "validation"):
        figures = result[part]
        assert {"accuracy", "balanced_accuracy", "macro_f1", "confusion"} <= set(figures)
        assert {"psnr", "ssim", "mse", "mae"} <= set(figures)
        assert len(figures["per_class"]) == len(figures["confusion"]) == 10
    assert result["test"]["psnr_pca"] > 0
    assert set(result["seconds"]) == {"data", "train", "evaluate", "total"}
    assert result["parameters"]["total"] == sum(
        result["parameters"][part] for part in ("encoder", "decoder", "classifier")
    )
    assert result["selection"] == "last"
    assert 0 <= result["best_on_test"]["accuracy"] <= 1
    assert sum(map(sum, result["test"]["confusion"])) == len(load("shapes").test)


def test_metrics_have_a_line_an_epoch_with_every_term(run: Run) -> None:
    assert [line["epoch"] for line in run.metrics] == [1, 2]
    for line in run.metrics:
        for part in ("train", "validation", "test"):
            assert {"loss", "classification", "reconstruction", "accuracy"} <= set(line[part])


def test_the_recipe_in_the_folder_repeats_the_run(run: Run, tmp_path: Path) -> None:
    again = wye.train(str(run.path / "recipe.yaml"), out=tmp_path / "again")
    assert same_weights(run, again)
    other = wye.train(str(run.path / "recipe.yaml"), out=tmp_path / "other", seed=1)
    assert not same_weights(run, other)


def same_weights(first: Run, second: Run) -> bool:
    name = "model.safetensors"
    return (first.path / name).read_bytes() == (second.path / name).read_bytes()


def test_a_folder_that_holds_a_run_is_refused(run: Run) -> None:
    with pytest.raises(UsageError, match="holds a run already; --resume"):
        wye.train(small(evaluation={"watch_test": True}), out=run.path)


def test_resuming_a_finished_run_does_nothing(run: Run) -> None:
    before = {path: path.stat().st_mtime_ns for path in run.path.rglob("*")}
    wye.train(small(evaluation={"watch_test": True}), out=run.path, resume=True)
    assert {path: path.stat().st_mtime_ns for path in run.path.rglob("*")} == before


def test_another_run_cannot_be_resumed_into_a_folder(run: Run) -> None:
    with pytest.raises(UsageError, match=r"its train\.lr is 0\.05, not 0\.01"):
        wye.train(
            small(train={"lr": 0.01}, evaluation={"watch_test": True}), out=run.path, resume=True
        )


def test_the_saved_model_is_the_trained_one(run: Run) -> None:
    model = wye.load(run)
    test = with_channels(load("shapes").test, 1)
    predicted = model.predict(test.pixels)
    assert run.result is not None
    accuracy = float((predicted == test.labels.numpy()).mean())
    assert accuracy == pytest.approx(run.result["test"]["accuracy"], abs=2e-3)
    rebuilt = model.reconstruct(test.pixels.numpy())
    error = ((rebuilt - test.pixels.numpy() / 255) ** 2).mean()
    assert error == pytest.approx(run.result["test"]["mse"], rel=1e-3)
    assert model.embed(test.pixels[:5]).shape == (5, run.result["latent"])
    assert np.allclose(model.predict_proba(test.pixels[:5]).sum(1), 1, atol=1e-5)
    with pytest.raises(UsageError, match="these go from"):
        model.predict(test.pixels.float())


def test_the_best_epoch_is_kept_beside_the_last(run: Run) -> None:
    assert run.result is not None
    best = max(run.metrics, key=lambda line: line["validation"]["accuracy"])
    kept = run.result["best_validation"]
    assert kept["accuracy"] == best["validation"]["accuracy"]
    if kept["epoch"] == 2:
        assert torch.equal(
            *(run.weights(which)["encoder.layers.0.layer.weight"] for which in ("best", "last"))
        )


def test_selecting_the_best_epoch_saves_its_weights(tmp_path: Path) -> None:
    # A rate that ruins the second epoch makes the first one the best.
    phases = [{"epochs": 1}, {"epochs": 1, "lr": 1.5, "momentum": 0.9}]
    chosen = wye.train(
        small(evaluation={"selection": "best"}, phases=phases), out=tmp_path / "best"
    )
    assert chosen.result is not None
    for name, value in chosen.weights().items():
        assert torch.equal(value, chosen.weights("best")[name])


def test_without_a_part_its_figures_are_absent(tmp_path: Path) -> None:
    only = wye.train(
        small(network={"decoder": "none"}, loss={"beta": 0}, data={"validation": 0}),
        out=tmp_path / "c",
        max_steps=1,
    )
    assert only.result is not None
    assert only.result["status"] == "truncated"
    assert "psnr" not in only.result["test"]
    assert "validation" not in only.result
    assert "decoder" not in only.result["parameters"]
    with pytest.raises(UsageError, match="has no decoder"):
        wye.load(only).reconstruct(np.zeros((1, 1, 32, 32), np.uint8))
    rebuilding = wye.train(
        small(network={"classifier": "none"}, loss={"alpha": 0}), out=tmp_path / "d", max_steps=1
    )
    assert rebuilding.result is not None
    assert "accuracy" not in rebuilding.result["test"]
    assert rebuilding.result["test"]["psnr"] > 0


def test_a_folder_of_images_is_trained_by_its_path(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for name, colour in (("red", 0), ("blue", 2)):
        (tmp_path / "images" / name).mkdir(parents=True)
        for index in range(12):
            pixels = generator.integers(0, 60, (40, 30, 3), dtype=np.uint8)
            pixels[..., colour] += 150
            Image.fromarray(pixels).save(tmp_path / "images" / name / f"{index}.png")
    recipe = wye.recipe.resolve(str(tmp_path / "images"))
    done = wye.train(recipe, out=tmp_path / "run", **{"train.batch_size": 8})
    assert done.result is not None
    assert set(done.result["test"]["per_class"]) == {"red", "blue"}
    model = wye.load(done)
    read = model.read(tmp_path / "images" / "red" / "0.png")
    assert read.shape == (1, 3, 32, 32)


def test_runs_are_found_and_foreign_folders_are_not(run: Run, tmp_path: Path) -> None:
    assert [found.path for found in find_runs(run.path.parent)] == [run.path]
    assert list(find_runs(tmp_path)) == []
    with pytest.raises(UsageError, match="holds no run"):
        Run(tmp_path)


def test_numbers_that_json_does_not_have_become_null() -> None:
    content = {"a": float("nan"), "b": [float("inf"), 1.5], "c": {"d": -float("inf")}}
    assert json.loads(json.dumps(finite(content))) == {
        "a": None,
        "b": [None, 1.5],
        "c": {"d": None},
    }


def test_a_full_disk_in_the_first_epoch_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: RunFolder, state: dict[str, Any]) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(self.path / "last.ckpt"))

    monkeypatch.setattr(RunFolder, "write_checkpoint", full)
    with pytest.raises(OSError, match="No space"):
        wye.train(small(), out=tmp_path / "a" / "run")
    assert not (tmp_path / "a" / "run").exists()


@pytest.mark.parametrize(
    ("changes", "error", "expected"),
    [
        ({"data": {"augment": "crop(100)"}}, UsageError, "crop"),
        ({"data": {"augment": "resize(16)"}}, UsageError, "cannot take images of 1x16x16"),
        ({"data": {"corrupt": "resize(8)"}}, UsageError, "cannot take images of 1x8x8"),
        (
            {"phases": [{"epochs": 2, "freeze": ["encoder", "decoder", "classifier"]}]},
            UsageError,
            "frozen",
        ),
        ({"train": {"lr": 1e12}}, TrainingError, "diverged in epoch 1"),
    ],
)
def test_a_run_that_fails_before_its_first_epoch_leaves_nothing(
    tmp_path: Path, changes: dict[str, Any], error: type[Exception], expected: str
) -> None:
    with pytest.raises(error, match=expected):
        wye.train(small(**changes), out=tmp_path / "new" / "run")
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_fails_later_says_what_it_leaves(tmp_path: Path) -> None:
    phases = [{"epochs": 1}, {"epochs": 1, "lr": 1e12}]
    with pytest.raises(TrainingError, match=r"diverged in epoch 2.*the epochs before are kept in"):
        wye.train(small(phases=phases), out=tmp_path / "run")
    assert len(Run(tmp_path / "run").metrics) == 1


def test_an_interrupted_first_epoch_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: RunFolder, state: dict[str, Any]) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(RunFolder, "write_checkpoint", interrupted)
    with pytest.raises(KeyboardInterrupt):
        wye.train(small(), out=tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_what_is_hardly_meant_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "images" / "only").mkdir(parents=True)
    for index in range(6):
        Image.new("RGB", (32, 32), (40 * index, 0, 0)).save(tmp_path / f"images/only/{index}.png")
    recipe = wye.recipe.resolve(str(tmp_path / "images"))
    wye.train(recipe, out=tmp_path / "run", max_steps=1)
    assert "has one class, so every accuracy will be 100 %" in caplog.text
    assert "no image is held out for validation" in caplog.text


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    with FileLock(folder / ".lock"), pytest.raises(UsageError, match="another process is training"):
        wye.train(small(), out=folder)


def test_a_run_cut_short_goes_on_to_the_same_end(tmp_path: Path) -> None:
    whole = wye.train(small(), out=tmp_path / "whole")
    steps = -(-int(0.95 * 200) // 32)
    for cut in (2, steps + 1):  # within the first epoch, within the second
        folder = tmp_path / f"cut-{cut}"
        first = wye.train(small(), out=folder, max_steps=cut)
        assert first.result is not None
        assert first.result["status"] == "truncated"
        done = wye.train(small(), out=folder, resume=True)
        assert done.result is not None
        assert done.result["status"] == "complete"
        assert same_weights(done, whole)


def test_a_resumed_run_makes_up_for_what_a_kill_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wye.api.available", available)
    folder = tmp_path / "run"
    wye.train(small(), out=folder)
    gallery = folder / "figures" / "gallery.png"
    drawn = gallery.read_bytes()
    gallery.unlink()
    wye.train(small(), out=folder, resume=True)
    assert gallery.read_bytes() == drawn
    for name in ("environment.json", "result.json"):
        (folder / name).unlink()
    wye.train(small(), out=folder, resume=True)
    assert Run(folder).environment["torch"] == torch.__version__


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("recipe.yaml", b"\xff\xfe\x00"),
        ("recipe.yaml", b""),
        ("result.json", b'{"a"'),
        ("result.json", b'{"a": [1]}'),
        ("metrics.jsonl", b'{"epoch": 1'),
        ("environment.json", b"[]"),
        ("config.json", b"{}"),
        ("model.safetensors", b"\x00" * 20),
        ("model.safetensors", b""),
    ],
)
def test_a_damaged_file_of_a_run_is_named(
    run: Run, tmp_path: Path, name: str, content: bytes
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(run.path, copy)
    (copy / name).write_bytes(content)
    damaged = Run(copy)
    with pytest.raises(MachineError, match=f"{name} is damaged"):
        _ = damaged.recipe, damaged.result, damaged.metrics, damaged.environment, wye.load(damaged)


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    wye.train(small(), out=folder)
    (folder / "result.json").unlink()
    (folder / "last.ckpt").write_bytes(b"not a checkpoint")
    with pytest.raises(MachineError, match=r"last\.ckpt is damaged"):
        wye.train(small(), out=folder, resume=True)


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (os.mkdir, (str(tmp_path / "sprung"),))

    folder = RunFolder(tmp_path)
    torch.save({"network": Trap()}, tmp_path / "last.ckpt")
    with pytest.raises(MachineError, match="is damaged"):
        folder.read_checkpoint(torch.device("cpu"))
    assert not (tmp_path / "sprung").exists()


def test_a_run_killed_five_times_ends_as_one_that_was_not(tmp_path: Path) -> None:
    """SIGKILL at random moments, resumed each time: the same weights, byte for byte."""
    recipe = tmp_path / "recipe.yaml"
    settings = small(data={"per_class": 100}, train={"epochs": 8}, phases=PHASES)
    recipe.write_text(yaml.safe_dump(settings.model_dump(mode="json")))

    log, through, killed = (tmp_path / name for name in ("log", "through", "killed"))

    def start(out: Path) -> ForkServerProcess:
        return command("train", str(recipe), "--resume", "--out", str(out), log=log)

    process = start(through)
    process.join()
    assert process.exitcode == 0, log.read_text()
    draw, epoch = random.Random(0), max(line["seconds"] for line in Run(through).metrics)
    metrics = killed / "metrics.jsonl"
    for done in (0, 1, 3, 4, 6):  # epochs; both phases are struck, and so is the start
        process = start(killed)
        while process.is_alive() and done:
            if metrics.exists() and len(metrics.read_text().splitlines()) >= done:
                break
            time.sleep(0.01)
        process.join(draw.uniform(0, epoch))
        if process.exitcode is None:
            kill(process)
            continue
        # It got through before the blow fell: take the end of it away and strike again.
        assert process.exitcode == 0, log.read_text()
        for name in ("result.json", "model.safetensors", "config.json"):
            (killed / name).unlink()
        shutil.rmtree(killed / "figures", ignore_errors=True)
    process = start(killed)
    process.join()
    assert process.exitcode == 0, log.read_text()
    first, second = Run(through), Run(killed)
    assert same_weights(first, second)
    assert len(first.metrics) == len(second.metrics) == 8
    assert {path.name for path in through.iterdir()} == {path.name for path in killed.iterdir()}


PHASES = [
    {"epochs": 3, "loss": {"alpha": 0}},
    {"epochs": 5, "loss": {"beta": 0}, "freeze": ["encoder[0]"], "schedule": "one-cycle"},
]


def test_noisy_test_images_are_compared_with_the_clean_ones(tmp_path: Path) -> None:
    """What is measured is recomputed from the weights with plain PyTorch."""
    line = "noise(0.2)"
    recipe = small(data={"normalize": "dataset"}, evaluation={"corrupt": line})
    measured = wye.train(recipe, out=tmp_path / "noisy").result["test"]
    plain = wye.train(small(data={"normalize": "dataset"}), out=tmp_path / "plain").result["test"]
    assert {**plain, **{k: v for k, v in measured.items() if k not in plain}} == measured
    made = set_up(recipe)
    made.network.load_state_dict(Run(tmp_path / "noisy").weights())
    clean = made.data.test.pixels.float() / 255
    generator = made.streams.generator("noise", "test")
    noisy = torch.cat([made.corrupt(part, generator) for part in made.data.test.pixels.split(500)])
    with torch.no_grad():
        output = made.network.eval()(made.data.inputs.apply(noisy)).reconstruction
    rebuilt = made.data.targets.undo(output).clamp(0, 1)
    errors = (rebuilt - clean).square().flatten(1).mean(1)
    assert measured["denoised_mse"] == pytest.approx(errors.mean().item(), rel=1e-4)
    assert measured["denoised_psnr"] == pytest.approx(-10 * errors.log10().mean().item(), rel=1e-4)
    shown = (noisy.clamp(0, 1) - clean).square().flatten(1).mean(1)
    assert measured["noisy_psnr"] == pytest.approx(-10 * shown.log10().mean().item(), rel=1e-4)
    with pytest.raises(UsageError, match=r"evaluation\.corrupt"):
        wye.train(small(evaluation={"corrupt": "nois(1)"}), out=tmp_path / "wrong")

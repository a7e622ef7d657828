"""What lies where a file should, and what a file asks for, is refused in a message."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from command_line import CommandLine
from PIL import Image
from safetensors.torch import load_file, save_file

import wye
from benchmarks.borders import small_recipe
from wye.data.folder import listing_of
from wye.errors import MachineError, UsageError
from wye.evidence.results import add, read
from wye.files import expanded, held
from wye.recipe.overrides import parse_overrides
from wye.runs import Run
from wye.runs.given import given
from wye.runs.journal import Journal


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sound") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("wye.api.available", lambda: False)
        wye.train(small_recipe(), out=path)
    return path


@pytest.fixture
def run(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "run"))


def changed(path: Path, change: dict[str, Any]) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))


def choose_the_best(run: Path) -> None:
    """Let the last epoch's weights be those of the checkpoint."""
    recipe = yaml.safe_load((run / "recipe.yaml").read_text())
    recipe["evaluation"]["selection"] = "best"
    (run / "recipe.yaml").write_text(yaml.safe_dump(recipe))


READERS = {
    "config.json": lambda run: Run(run).config,
    "recipe.yaml": lambda run: Run(run).recipe,
    "environment.json": lambda run: Run(run).environment,
    "result.json": lambda run: Run(run).result,
    "metrics.jsonl": lambda run: Run(run).metrics,
    "journal.jsonl": lambda run: Run(run).folder.journal.events(),
    "model.safetensors": lambda run: Run(run).weights(),
    "best.safetensors": lambda run: Run(run).weights("best"),
    "last.ckpt": lambda run: Run(run).weights("last"),
    "predictions.safetensors": lambda run: Run(run).predictions(),
    "examples.safetensors": lambda run: Run(run).examples(),
    "other.yaml": lambda run: wye.recipe.resolve(str(run / "other.yaml")),
    "joint.jsonl": lambda run: list(read(run)),
}


@pytest.mark.parametrize("name", READERS)
def test_a_pipe_in_place_of_a_file_is_none_and_nothing_waits_for_it(name: str, run: Path) -> None:
    if name == "last.ckpt":
        choose_the_best(run)
    (run / name).unlink(missing_ok=True)
    os.mkfifo(run / name)
    if name == "joint.jsonl":
        (run / "metrics.jsonl").unlink()
        (run / "journal.jsonl").unlink()
    with pytest.raises(MachineError, match=rf"{name} is no file"):
        READERS[name](run)


def test_nothing_is_written_through_a_link(run: Path, tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "folder"
    folder.mkdir()
    (folder / ".lock").symlink_to(outside)
    with pytest.raises(OSError, match="it is a link"), held(folder):
        pass
    with pytest.raises(OSError, match="it is a link"):
        add([run], folder)
    (folder / "journal.jsonl").symlink_to(outside)
    with pytest.raises(OSError, match="it is a link"):
        Journal(folder / "journal.jsonl").note("claimed")
    os.mkfifo(folder / "pipe")
    with pytest.raises(OSError, match=r"no file|No such device"):
        Journal(folder / "pipe").note("claimed")
    assert not outside.exists()
    with held(tmp_path):
        assert (tmp_path / ".lock").is_file()


def test_a_user_who_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert expanded("~/x") == Path.home() / "x"
    with pytest.raises(UsageError, match="there is no user 'nouser'"):
        expanded("~nouser/x")
    monkeypatch.setenv("WYE_CACHE", "~nouser/cache")
    with pytest.raises(UsageError, match="there is no user 'nouser'"):
        wye.files.cache_folder()
    monkeypatch.delenv("WYE_CACHE")
    for asking in (given, listing_of):
        with pytest.raises(UsageError, match="there is no user 'nouser'"):
            asking("~nouser/x")


def test_records_that_are_no_text_are_damaged(tmp_path: Path) -> None:
    (tmp_path / "joint.jsonl").write_bytes(b"\n\xff\xfe\n")
    with pytest.raises(MachineError, match=r"joint\.jsonl, line 2: damaged, it is no UTF-8"):
        list(read(tmp_path))


def weights_of(run: Path) -> tuple[dict[str, Any], str]:
    state = load_file(run / "model.safetensors")
    return state, next(name for name in state if name.startswith("encoder"))


def test_predictions_of_another_type_are_damaged(run: Path) -> None:
    found = load_file(run / "predictions.safetensors")
    for kind in (torch.bool, torch.bfloat16, torch.float8_e4m3fn):
        save_file({**found, "labels": found["labels"].to(kind)}, run / "predictions.safetensors")
        name = str(kind).removeprefix("torch.")
        with pytest.raises(
            MachineError, match=rf"predictions\.safetensors is damaged: labels is {name}, not int64"
        ):
            Run(run).predictions()


ASKING: dict[str, tuple[dict[str, Any], str]] = {
    "a shape of gigabytes": (
        {"shape": [1, 65536, 65536], "pixels": [1, 65536, 65536]},
        "shape: images of 1x65536x65536 are too large",
    ),
    "pixels of gigabytes": (
        {"pixels": [1, 40000, 40000], "view": "crop(32)"},
        "pixels: images of 1x40000x40000 are too large; 80 million values",
    ),
    "a reading of gigabytes": ({"reading": {"size": 65536}}, r"reading\.size: images of"),
    "a size of gigabytes": ({"image_size": 65536}, "image_size: images of"),
    "constants beyond 32 bits": (
        {"inputs": {"mean": [1e39], "deviation": [1.0]}},
        r"inputs\.mean\.0=1e\+39",
    ),
    "a deviation of almost nothing": (
        {"targets": {"mean": [0.5], "deviation": [1e-39]}},
        r"targets\.deviation\.0=1e-39",
    ),
    "a shift beyond the image": ({"views": {"mirror": True, "shift": 64}}, r"views\.shift=64"),
    "errors that fall": (
        {"reference": {"part": "train", "images": 2, "errors": [0.2, 0.1]}},
        "the errors do not rise",
    ),
    "a preparation of no notation": ({"prepare": "crop(8"}, r"prepare: expected"),
    "a view of many symbols": ({"view": " > ".join(["mirror"] * 20_000)}, "view"),
}


@pytest.mark.parametrize("asked", ASKING)
def test_what_a_config_asks_for_is_bounded(asked: str, run: Path) -> None:
    change, message = ASKING[asked]
    changed(run / "config.json", change)
    with pytest.raises(MachineError, match=message) as caught:
        wye.load(run)
    assert "config.json is damaged" in str(caught.value) and len(str(caught.value)) < 1000


def test_a_network_that_gives_no_numbers_is_named(
    run: Path, tmp_path: Path, command_line: CommandLine
) -> None:
    state, name = weights_of(run)
    save_file({**state, name: torch.full_like(state[name], torch.nan)}, run / "model.safetensors")
    pixels = torch.zeros((2, *Run(run).config["pixels"]), dtype=torch.uint8)
    model = wye.load(run)
    for answer in (model.predict, model.embed):
        with pytest.raises(MachineError, match="the network gives no numbers"):
            answer(pixels)
    side = Run(run).config["image_size"]
    Image.new("L", (side, side)).save(tmp_path / "image.png")
    for words in (("predict", "--json"), ("embed",), ("map",)):
        out = [] if words[0] == "predict" else ["--out", tmp_path / f"out.{words[0]}.html"]
        out = ["--out", tmp_path / "out.npz"] if words[0] == "embed" else out
        done = command_line(words[0], run, tmp_path / "image.png", *words[1:], *out)
        assert done.status == 1 and "wye: the network gives no numbers" in done.err
    for words in (("reconstruct", run, "--out", tmp_path / "out.png"), ("evaluate", run)):
        done = command_line(*words)
        assert done.status == 1 and "wye: the network gives no numbers" in done.err


ODD: dict[str, Any] = {
    "a tensor without numbers": lambda of: of.to("meta"),
    "a sparse tensor": lambda of: of.to_sparse(),
    "a quantized tensor": lambda of: torch.quantize_per_tensor(of, 0.1, 0, torch.qint8),
    "a nested tensor": lambda of: torch.nested.nested_tensor([of.flatten()]),
    "no tensor": lambda of: 3,
}


@pytest.mark.parametrize("kind", ODD)
def test_a_checkpoint_of_odd_tensors_is_the_one_that_is_damaged(kind: str, run: Path) -> None:
    choose_the_best(run)
    state = torch.load(run / "last.ckpt", weights_only=True)
    _, name = weights_of(run)
    state["network"][name] = ODD[kind](state["network"][name])
    torch.save(state, run / "last.ckpt")
    with pytest.raises(MachineError, match=rf"last\.ckpt is damaged: '{name}' is {kind}"):
        wye.load(run, "last")


def test_weights_that_do_not_fit_are_named_by_their_file(run: Path) -> None:
    choose_the_best(run)
    state = torch.load(run / "last.ckpt", weights_only=True)
    _, name = weights_of(run)
    state["network"][name] = state["network"][name][:1]
    torch.save(state, run / "last.ckpt")
    with pytest.raises(MachineError, match=r"not of the weights in last\.ckpt: .*is 1, not 2"):
        wye.load(run, "last")


@pytest.mark.parametrize(("count", "fault"), [(0, "it holds no image"), (3000, "too many")])
def test_examples_are_some_and_few(count: int, fault: str, run: Path) -> None:
    images = torch.zeros((count, 1, 8, 8), dtype=torch.uint8)
    save_file({"originals": images, "reconstructions": images + 1}, run / "examples.safetensors")
    with pytest.raises(MachineError, match=rf"examples\.safetensors is damaged: {fault}|{fault}"):
        Run(run).examples()


def test_a_key_that_is_there_twice_is_refused_in_an_override() -> None:
    with pytest.raises(UsageError, match="the key 'lr' is there twice"):
        parse_overrides(["train={lr: 1, lr: 2}"])
    assert parse_overrides(["train={lr: 1}", "encoder=C(2) > C(2)"]) == {
        "train": {"lr": 1},
        "encoder": "C(2) > C(2)",
    }

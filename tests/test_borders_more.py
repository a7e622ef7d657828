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
from safetensors.torch import load_file, save_file

import wye
from benchmarks.borders import small_recipe
from wye.errors import MachineError, UsageError
from wye.evidence.results import add, read
from wye.files import expanded, held
from wye.runs import Run
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
    with pytest.raises(OSError, match="no file|No such device"):
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


def test_records_that_are_no_text_are_damaged(tmp_path: Path) -> None:
    (tmp_path / "joint.jsonl").write_bytes(b"\n\xff\xfe\n")
    with pytest.raises(MachineError, match=r"joint\.jsonl, line 2: damaged, it is no UTF-8"):
        list(read(tmp_path))

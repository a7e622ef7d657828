"""Run folders of each release, kept in `earlier_runs`: what a later one still makes of them.

A format that changes must read these, or refuse them with the way forward; a release adds its own:
`wye train RECIPE --out tests/earlier_runs/RELEASE` without figures and mistakes.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from command_line import CommandLine
from safetensors.torch import load_file

import wye

RELEASES = sorted((Path(__file__).parent / "earlier_runs").iterdir())


@pytest.fixture(params=RELEASES, ids=lambda path: path.name)
def earlier(request: pytest.FixtureRequest, in_empty_folder: Path) -> Path:
    """A copy elsewhere than it was made."""
    return Path(shutil.copytree(request.param, in_empty_folder / "moved"))


def test_an_earlier_run_is_measured_as_it_was(earlier: Path, command_line: CommandLine) -> None:
    before = json.loads((earlier / "result.json").read_text())["test"]
    found = json.loads(command_line("evaluate", str(earlier), "--json").out)["test"]
    assert found["accuracy"] == before["accuracy"]
    for name in ("psnr", "mse", "cross_entropy"):
        assert found[name] == pytest.approx(before[name], rel=1e-5)


def test_an_earlier_run_predicts_and_is_reported(earlier: Path, command_line: CommandLine) -> None:
    model = wye.load(earlier)
    images = wye.data.load("shapes").test.pixels[:8]
    found = model.predict(images)
    stored = json.loads((earlier / "config.json").read_text())
    assert len(found) == 8 and max(found) < len(stored["classes"])
    assert command_line("report", str(earlier), "--out", "report").status == 0
    assert "small" in Path("report", "index.html").read_text()


def test_an_earlier_checkpoint_goes_on_to_the_same_weights(
    earlier: Path, command_line: CommandLine
) -> None:
    before = load_file(earlier / "model.safetensors")
    for name in ("result.json", "model.safetensors", "predictions.safetensors", "config.json"):
        (earlier / name).unlink()
    words = ("train", str(earlier / "recipe.yaml"), "--out", str(earlier), "--resume")
    assert command_line(*words).status == 0
    after = load_file(earlier / "model.safetensors")
    assert before.keys() == after.keys()
    assert all(torch.equal(after[name], weight) for name, weight in before.items())

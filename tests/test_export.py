"""Exported files compute what PyTorch does, for any number of images, and say what they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import wye
from benchmarks.exports import Line, distinct, exported, page
from wye.cli.app import app
from wye.errors import MachineError, UsageError
from wye.export import FORMATS, PARTS, export
from wye.export.part import Part
from wye.export.write import READERS
from wye.runs.model import Model
from wye.runs.run import Run
from wye.studies import row_names

pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
onnxruntime = pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return wye.train(
        "joint/v4",
        data={"name": "shapes", "per_class": 4, "validation": 0, "channels": 1},
        network={
            "encoder": "Y(2) > C(4) > BN",
            "decoder": "J > T(6) > C'(1, act=none)",
            "classifier": "G > D(0.5) > L'(classes)",
        },
        train={"epochs": 1, "batch_size": 20},
        out=tmp_path_factory.mktemp("export") / "run",
        progress=False,
    )


@pytest.fixture(scope="module")
def model(run: Run) -> Model:
    return wye.load(run)


@pytest.mark.parametrize("part", PARTS)
def test_onnx_runs_without_wye(model: Model, part: str, tmp_path: Path) -> None:
    made = model.export(tmp_path / "file.onnx", part=part)
    assert made.difference < 1e-4 and made.size == (tmp_path / "file.onnx").stat().st_size
    session = onnxruntime.InferenceSession(tmp_path / "file.onnx")
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (5, 1, 32, 32), dtype=np.uint8)
    codes = model.embed(pixels)
    given = {"latent": codes} if part == "decoder" else {"pixels": pixels}
    wanted = {
        "probabilities": model.predict_proba(pixels),
        "latent": codes,
        "reconstruction": model.reconstruct(pixels),
    }
    names = [output.name for output in session.get_outputs()]
    for count in (1, 5):
        some = {name: values[:count] for name, values in given.items()}
        for name, found in zip(names, session.run(None, some), strict=True):
            assert np.allclose(found, wanted[name][:count], atol=1e-4), name
    known = session.get_modelmeta().custom_metadata_map
    assert json.loads(known["classes"]) == list(model.classes)
    assert json.loads(known["pixels"]) == [1, 32, 32] and "Apache" in known["licence"]


@pytest.mark.parametrize("form", [form for form in FORMATS if form != "onnx"])
def test_torch_files_take_any_number_of_images(model: Model, form: str, tmp_path: Path) -> None:
    made = model.export(tmp_path / "file", form, part="whole")
    assert made.difference < 1e-5
    pixels = torch.randint(0, 256, (3, 1, 32, 32), dtype=torch.uint8)
    assert np.allclose(made.run(pixels)[0].detach(), model.predict_proba(pixels), atol=1e-5)


def test_the_command_writes_a_file_and_says_how_far_it_is_off(run: Run, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["export", str(run.path), "--out", str(tmp_path / "a.onnx")])
    assert done.exit_code == 0 and "differs from PyTorch by" in done.output
    command = ["export", str(run.path), "--quantize", "int8", "--json"]
    report = json.loads(CliRunner().invoke(app, command).output)
    assert report["file"].endswith("classifier-int8.onnx") and Path(report["file"]).exists()
    assert abs(report["accuracy"] - report["accuracy_before"]) < 0.1


def test_images_that_are_prepared_first_are_told(tmp_path: Path) -> None:
    run = wye.train(
        "joint/v1",
        data={"name": "shapes", "per_class": 4, "validation": 0, "prepare": "resize(24)"},
        train={"batch_size": 20},
        max_steps=1,
        out=tmp_path / "run",
        progress=False,
    )
    done = CliRunner().invoke(app, ["export", str(run.path)])
    assert "it takes 3x24x24 pixels as data.prepare leaves them: resize(24)" in done.output
    session = onnxruntime.InferenceSession(run.path / "classifier.onnx")
    metadata = session.get_modelmeta().custom_metadata_map
    assert metadata["prepare"] == "resize(24)" and json.loads(metadata["pixels"]) == [3, 24, 24]


def test_what_cannot_be_exported_is_said(model: Model, tmp_path: Path) -> None:
    for form, part, quantize, complaint in (
        ("onyx", "whole", None, "did you mean 'onnx'"),
        ("onnx", "head", None, "no part 'head'"),
        ("torch", "whole", "int8", "is for the format onnx"),
    ):
        with pytest.raises(UsageError, match=complaint):
            export(model, tmp_path / "file", form, part, quantize)
    assert not list(tmp_path.iterdir())


def test_a_file_that_computes_something_else_is_not_kept(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(path: Path) -> Any:
        return lambda inputs: [torch.zeros(len(inputs), 10)]

    monkeypatch.setitem(READERS, "torchscript", faulty)
    with pytest.raises(MachineError, match="is not kept, because it differs"):
        export(model, tmp_path / "file", "torchscript")
    assert not list(tmp_path.iterdir())


def test_a_missing_package_is_answered_with_the_command(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'wye\[export\]'"):
        export(model, tmp_path / "file")


def test_every_row_is_among_the_networks_that_are_exported() -> None:
    networks = distinct(row_names())
    assert sorted(row for rows in networks.values() for row in rows) == sorted(row_names())
    assert 60 < len(networks) < 90
    [same] = [rows for rows in networks.values() if "joint/v4-dropout" in rows]
    assert "joint/v4-l2" in same and "joint/v4" not in same


SAMPLE = (
    ("joint/v4-side-path", "onnx"),
    ("practices/pixel-shuffle-mnist", "torch"),
    ("wye/fast94", "torchscript"),
)
"""A side path; weight norm and pixel shuffle; components, whitening and views. All rows:
`python -m benchmarks.exports`."""


@pytest.mark.parametrize(("row", "form"), SAMPLE)
def test_the_networks_of_rows_compute_the_same_as_files(row: str, form: str) -> None:
    lines = list(exported([row], [form]))
    assert [line.part for line in lines] == ["whole", "decoder"]
    assert all(line.good and line.size > 1000 for line in lines), lines
    text = page([*lines, Line((row, "a/b"), form, "whole", None, 0, "no such operator")], 60)
    assert f"| `{form}` | 2 of 3 |" in text
    assert f"| `{row}` and 1 more | {form}, whole | no such operator |" in text


def test_large_values_may_differ_by_more(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(path: Path) -> Any:
        return lambda inputs: [part + off for part in Part(model, "encoder")(inputs)]

    monkeypatch.setitem(READERS, "torchscript", read)
    pixels = torch.zeros((2, 1, 32, 32), dtype=torch.uint8)
    largest = float(abs(model.embed(pixels)).max())
    assert largest < 50
    off = 0.002
    with pytest.raises(MachineError, match="is not kept"):
        export(model, tmp_path / "file", "torchscript", "encoder", images=pixels)
    monkeypatch.setattr(Part, "forward", lambda part, values: (torch.full((2, 3), 100.0),))
    made = export(model, tmp_path / "file", "torchscript", "encoder", images=pixels)
    assert made.difference == pytest.approx(off, rel=0.01)

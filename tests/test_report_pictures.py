"""The pictures of a run: gallery, curves and confusion matrix."""

from __future__ import annotations

import base64
import io
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from report_runs import HOSTILE, epochs, images, make_run

from wye.report import curves, draw_confusion, draw_curves, draw_gallery, draw_run_figures
from wye.report.gallery import AMPLIFICATION, columns


@pytest.mark.parametrize(("channels", "count", "side"), [(3, 10, 32), (1, 3, 28), (3, 13, 150)])
def test_gallery_gives_its_pixels_back(
    tmp_path: Path, channels: int, count: int, side: int
) -> None:
    originals, rebuilt = images(channels, count, side)
    path = tmp_path / "figures" / "gallery.png"
    draw_gallery(originals, rebuilt, path)
    found = columns(path)
    assert len(found) == count
    for index in (0, count - 1):
        payload = base64.b64decode(found[index].removeprefix("data:image/png;base64,"))
        column = np.asarray(Image.open(io.BytesIO(payload))).astype(int)
        assert column.shape == (3 * side, side, 3)
        real, copy, error = column.reshape(3, side, side, 3)
        expected = originals[index].permute(1, 2, 0).numpy().astype(int)
        np.testing.assert_array_equal(real, np.broadcast_to(expected, real.shape))
        np.testing.assert_array_equal(error, np.minimum(abs(real - copy) * AMPLIFICATION, 255))


def test_gallery_of_another_make(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "foreign.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    assert len(columns(tmp_path / "foreign.png")) == 1
    assert columns(tmp_path / "broken.png") == columns(tmp_path / "absent.png") == []


def test_gallery_refuses_unequal_shapes(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="one shape"):
        draw_gallery(images()[0], images(side=16)[0], tmp_path / "gallery.png")


def test_run_figures(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    written = draw_run_figures(run, *images())
    assert [path.name for path in written] == ["curves.svg", "confusion.svg", "gallery.png"]
    for path in written[:2]:
        ET.parse(path)
    bare = make_run(tmp_path, "own/bare", accuracy=None, psnr=1.0, finished=False)
    bare.metrics = []
    assert draw_run_figures(bare) == []


def test_svg_files_hold_any_name(tmp_path: Path) -> None:
    draw_curves(epochs(1, terms=(HOSTILE,)), tmp_path / "curves.svg")
    draw_confusion([[1, 0], [0, 0]], [HOSTILE, "b"], tmp_path / "confusion.svg")
    for name in ("curves", "confusion"):
        tree = ET.parse(tmp_path / f"{name}.svg")
        assert not [element for element in tree.iter() if element.tag.endswith("script")]


def test_curves_order_gaps_and_phases() -> None:
    lines = epochs(4, terms=("accuracy", "classification", "loss"))
    lines[1]["train"]["loss"] = None
    for line in lines[2:]:
        line["phase"] = "second"
    assert curves.terms_of([lines]) == ["loss", "classification", "accuracy"]
    drawn = ET.fromstring(curves.panel("loss", [lines]))
    paths = [element.get("d", "") for element in drawn.iter("path")]
    assert [path.count("M") for path in paths] == [2, 1]
    assert len([e for e in drawn.iter("line") if e.get("class") == "phase"]) == 1
    assert curves.phases_of(lines) == [("joint", 1, 2), ("second", 3, 4)]


@pytest.mark.parametrize("values", [[0.0, 0.0], [5.0], [1e-9, 1e9], [-3.0, 4.0], [1e-12, 1e-12]])
def test_curves_of_any_range(values: list[float]) -> None:
    history = [{"epoch": i, "train": {"loss": v}} for i, v in enumerate(values, start=1)]
    drawn = curves.panel("loss", [history])
    ET.fromstring(drawn)
    assert "nan" not in drawn

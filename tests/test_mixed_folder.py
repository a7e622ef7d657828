"""3,000 images in mixed formats, sizes and modes, 20 of them broken, from a folder to a report."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import wye
from wye.cli.app import app
from wye.data.images import DataSet
from wye.data.sources import available, load

COUNT, BROKEN = 3000, 20
CLASSES = 10


def images() -> DataSet:
    """CIFAR-10 where a person has it, else the generated data set of the same form."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("WYE_CACHE")
        if available("cifar10"):
            return load("cifar10")
    return load("shapes")


def saved(kind: str, suffix: str, **options: object) -> Callable[[Image.Image, Path], Path]:
    """Saves a picture in a mode and a format."""

    def save(image: Image.Image, path: Path) -> Path:
        if kind == "I;16":
            levels = np.asarray(image.convert("L"), dtype=np.uint16) * 257
            image = Image.fromarray(levels)
        else:
            image = image.convert(kind)
        path = path.with_suffix(suffix)
        image.save(path, **options)
        return path

    return save


def turned(image: Image.Image, path: Path) -> Path:
    """A JPEG that lies on its side, and says so."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved("RGB", ".jpg", exif=exif)(image.transpose(Image.Transpose.ROTATE_90), path)


KINDS = (
    *(saved("RGB", ".png"), saved("RGB", ".jpg", quality=90), saved("RGB", ".bmp")),
    *(saved("P", ".gif"), saved("RGB", ".webp"), saved("L", ".png"), saved("RGBA", ".png")),
    *(saved("LA", ".png"), saved("P", ".PNG"), saved("CMYK", ".jpeg"), saved("I;16", ".png")),
    *(saved("RGB", ".tiff"), saved("RGB", ".ppm"), turned, saved("1", ".png")),
)
SIDES = (32, 32, 28, 40, 64)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, set[str]]:
    """The folder, and the names of the broken files below it."""
    root = tmp_path_factory.mktemp("mixed") / "photos"
    source = images()
    pixels = source.train.pixels[:COUNT].permute(0, 2, 3, 1).numpy()
    files = []
    for number in range(COUNT):
        place = root / source.classes[int(source.train.labels[number])]
        place.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(pixels[number])
        if (side := SIDES[number // 7 % len(SIDES)]) != 32:
            image = image.resize((side, side - number % 9), Image.Resampling.BILINEAR)
        files.append(KINDS[number % len(KINDS)](image, place / f"{number:04}"))
    broken = files[::149][:BROKEN]
    for number, path in enumerate(broken):
        content = path.read_bytes()
        path.write_bytes((b"", b"no image", content[: len(content) // 3])[number % 3])
    return root, {path.relative_to(root).as_posix() for path in broken}


def call(*words: object) -> str:
    result = CliRunner().invoke(app, list(map(str, words)))
    if result.exception is not None:
        raise result.exception
    return result.stdout


def test_from_a_mixed_folder_to_a_report(
    folder: tuple[Path, set[str]], tmp_path: Path, without_plots: None
) -> None:
    photos, broken = folder
    run = tmp_path / "run"
    network = {"encoder": "C(4) > C(8)", "decoder": "mirror", "classifier": "L'(classes)"}
    wye.train(
        str(photos),
        out=run,
        data={"image_size": 16, "augment": "", "validation": 0.05},
        network=network,
        train={"epochs": 1, "batch_size": 256, "precision": "fp32"},
    )
    named = {line.partition("\t")[0] for line in (run / "unreadable.txt").read_text().splitlines()}
    assert named == broken
    found = json.loads((run / "data.json").read_text())
    assert len(found["files"]) == COUNT - BROKEN
    assert len(found["classes"]) == CLASSES and not found["grey"]
    assert {"RGB", "L", "P", "RGBA", "LA", "CMYK", "I;16", "1"} <= set(found["modes"])

    call("predict", run, photos, "--out", tmp_path / "p.csv")
    with (tmp_path / "p.csv").open(newline="") as file:
        predicted = list(csv.DictReader(file))
    assert len(predicted) == COUNT - BROKEN
    assert {Path(line["path"]).relative_to(photos).as_posix() for line in predicted} == {
        file["path"] for file in found["files"]
    }
    test = json.loads(call("evaluate", run, "--json"))["test"]
    assert test["images"] == sum(file["part"] == "test" for file in found["files"])
    call("embed", run, photos, "--out", tmp_path / "codes.npz")
    with np.load(tmp_path / "codes.npz") as arrays:
        assert arrays["codes"].shape == (COUNT - BROKEN, wye.load(run).latent_size)
        assert Counter(arrays["parts"]) == Counter(file["part"] for file in found["files"])
    some = f"{photos}/{found['classes'][0]}/*"
    ranked = json.loads(call("anomalies", run, some, "--json", "--sheet", tmp_path / "s.png"))
    assert ranked[0]["error"] >= ranked[-1]["error"] and (tmp_path / "s.png").exists()
    call("map", run, some, "--out", tmp_path / "map.html", "--method", "pca")
    call("reconstruct", run, some, "--out", tmp_path / "r.png")
    call("report", run, "--out", tmp_path / "report")
    page = (tmp_path / "report" / "index.html").read_text()
    assert "20 files cannot be read" in page
    assert len(re.findall(r'class="mistakes"', page)) == 1

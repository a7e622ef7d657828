"""A user's own folder of images: any mode and size, by class, divided or not."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from data_forms import isolate, same
from PIL import Image

from wye.data import load, load_folder, read_image
from wye.data.prepare import prepare
from wye.errors import UsageError
from wye.recipe.schema import DataSettings
from wye.streams import Streams


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    isolate(monkeypatch, tmp_path)


def _save(path: Path, colour: tuple[int, ...] | int, mode: str = "RGB", size: int = 10) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (size, size), colour).save(path)
    return path


def _folder(root: Path, **counts: int) -> Path:
    """Classes of `counts` images, each image of a shade of its own."""
    for label, (name, count) in enumerate(counts.items()):
        for number in range(count):
            _save(root / name / f"{number:03}.png", (label, number, 99))
    return root


def _shades(pixels: torch.Tensor) -> set[tuple[int, int]]:
    return {(image[0, 0, 0].item(), image[1, 0, 0].item()) for image in pixels}


def test_classes_are_sorted_and_about_a_fifth_of_each_is_held_out(tmp_path: Path) -> None:
    data = load_folder(_folder(tmp_path / "pets", dog=200, ant=100, cat=3), size=16)
    assert data.name == "pets"
    assert data.classes == ("ant", "cat", "dog")
    assert data.shape == (3, 16, 16)
    ant, cat, dog = data.test.labels.bincount().tolist()
    assert 12 <= ant <= 28 and 1 <= cat <= 2 and 29 <= dog <= 51  # 2 standard deviations about 1/5
    assert data.train.labels.bincount().tolist() == [100 - ant, 3 - cat, 200 - dog]
    train, test = _shades(data.train.pixels), _shades(data.test.pixels)
    assert not train & test
    assert len(train | test) == 303
    # The label belongs to the image: dog was the first to be made (shade 0), ant the second.
    made = data.train.pixels[:, 0, 0, 0].long()
    assert torch.equal(made, torch.tensor([1, 2, 0])[data.train.labels])


@pytest.mark.parametrize("divided", [False, True])
def test_images_without_a_label_are_no_class_and_join_what_is_drawn_from(
    tmp_path: Path, divided: bool
) -> None:
    _folder(tmp_path / "pets" / ("train" if divided else ""), cat=10, dog=10)
    for number in range(7):
        _save(tmp_path / "pets" / "unlabelled" / "new" / f"{number}.png", (200, number, 0))
    data = load_folder(tmp_path / "pets", size=8)
    assert data.classes == ("cat", "dog") and len(data.train) + len(data.test) == 20
    assert data.unlabelled is not None
    assert data.unlabelled.labels.tolist() == [-1] * 7
    settings = DataSettings.model_validate(
        {"validation": 0.25, "labels_per_class": 2, "prepare": "resize(4)", "channels": 1}
    )
    prepared = prepare(data, settings, Streams(0))
    kept = len(data.train) - math.ceil(0.25 * len(data.train))
    assert prepared.pool is not None and prepared.pool.shape == (kept + 7, 1, 4, 4)
    assert len(prepared.train) == 4


def test_the_generator_decides_what_is_held_out(tmp_path: Path) -> None:
    root = _folder(tmp_path / "pets", a=30, b=30)

    def held(seed: int) -> set[tuple[int, int]]:
        generator = torch.Generator().manual_seed(seed)
        return _shades(load_folder(root, generator=generator).test.pixels)

    assert held(1) == held(1)
    assert held(1) != held(2)
    assert _shades(load_folder(root).test.pixels) == _shades(load_folder(root).test.pixels)


def test_train_and_test_folders_are_taken_as_they_are(tmp_path: Path) -> None:
    _folder(tmp_path / "train", a=4, b=6)
    _folder(tmp_path / "test", a=2, b=1)
    data = load(tmp_path, image_size=8)
    assert data.train.labels.bincount().tolist() == [4, 6]
    assert data.test.labels.tolist() == [0, 0, 1]
    assert data.shape == (3, 8, 8)


def test_train_alone_is_split(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _folder(tmp_path / "train", a=10)
    (tmp_path / "val" / "a").mkdir(parents=True)
    data = load_folder(tmp_path)
    assert len(data.train) + len(data.test) == 10 and len(data.test) > 0
    assert data.classes == ("a",)
    assert "val holds no images" in caplog.text


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    data = load_folder(_folder(tmp_path, plane=5, train=5))
    assert data.classes == ("plane", "train")


def test_a_class_of_the_test_part_alone_is_refused(tmp_path: Path) -> None:
    _folder(tmp_path / "train", a=2)
    _folder(tmp_path / "test", a=1, zebra=1)
    with pytest.raises(UsageError, match="zebra"):
        load_folder(tmp_path)


MODES = {
    "1": 1,
    "L": 200,
    "LA": (200, 255),
    "P": 7,
    "RGB": (200, 10, 30),
    "RGBA": (200, 10, 30, 255),
    "I;16": 200 * 256 + 17,
}


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_becomes_rgb(mode: str, tmp_path: Path) -> None:
    path = _save(tmp_path / "x.png", MODES[mode], mode)
    pixels = read_image(path, 4)
    assert pixels.shape == (3, 4, 4)
    assert pixels.dtype == torch.uint8
    expected = {"1": [255] * 3, "RGB": [200, 10, 30], "RGBA": [200, 10, 30]}.get(mode, [200] * 3)
    if mode != "P":
        assert pixels[:, 1, 1].tolist() == expected


def test_cmyk_and_floats(tmp_path: Path) -> None:
    cmyk = read_image(_save(tmp_path / "x.jpg", (0, 255, 255, 0), "CMYK"), 4)[:, 1, 1]
    assert cmyk[0] > 200
    assert cmyk[1:].max() < 60
    Image.fromarray(np.full((5, 5), 0.5, np.float32)).save(tmp_path / "x.tiff")
    assert read_image(tmp_path / "x.tiff", 4)[:, 0, 0].tolist() == [128] * 3


def test_transparency_becomes_white(tmp_path: Path) -> None:
    path = _save(tmp_path / "x.png", (0, 0, 0, 0), "RGBA")
    assert read_image(path, 4).min() == 255


def test_one_channel_is_kept_only_if_all_are_grey(tmp_path: Path) -> None:
    for number in range(5):
        _save(tmp_path / "a" / f"{number}.png", 40 * number, "L")
        _save(tmp_path / "b" / f"{number}.png", (9, 9, 9), "RGB")
    grey = load_folder(tmp_path)
    assert grey.shape == (1, 32, 32)
    assert grey.test.pixels.shape[1] == 1
    _save(tmp_path / "b" / "5.png", (9, 9, 10))
    assert load_folder(tmp_path).shape == (3, 32, 32)


def test_a_wide_image_loses_its_ends_and_keeps_its_proportions(tmp_path: Path) -> None:
    image = Image.new("RGB", (300, 100), "black")
    image.paste((255, 255, 255), (100, 0, 200, 100))
    image.save(tmp_path / "x.png")
    assert read_image(tmp_path / "x.png", 10).float().mean() > 250


def test_a_photograph_is_turned_upright(tmp_path: Path) -> None:
    image = Image.new("RGB", (64, 64), "black")
    image.paste((255, 255, 255), (0, 0, 64, 32))  # bright above
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: to be shown a quarter to the right
    image.save(tmp_path / "x.jpg", exif=exif, quality=95)
    pixels = read_image(tmp_path / "x.jpg", 8).float()
    assert pixels[:, :, 5:].mean() > 200
    assert pixels[:, :, :3].mean() < 50


def test_nested_hidden_and_other_files(tmp_path: Path) -> None:
    _folder(tmp_path, a=4)
    _save(tmp_path / "a" / "more" / "deep.JPG".lower(), (5, 5, 5))
    (tmp_path / "a" / "._000.png").write_bytes(b"a shadow file")
    (tmp_path / "a" / "notes.txt").write_text("hello")
    (tmp_path / ".cache").mkdir()
    data = load_folder(tmp_path)
    assert len(data.train) + len(data.test) == 5
    assert data.classes == ("a",)


def test_mistakes_are_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no folder is called"):
        load_folder(tmp_path / "absent")
    with pytest.raises(UsageError, match=r"holds no images by class; wanted: .*<class>/<image>"):
        load_folder(tmp_path)
    _save(tmp_path / "loose.png", (1, 1, 1))
    with pytest.raises(UsageError, match="1 image in no class's folder"):
        load_folder(tmp_path)
    _folder(tmp_path / "few", a=1, b=1)
    with pytest.raises(UsageError, match="too few images"):
        load_folder(tmp_path / "few")
    with pytest.raises(UsageError, match="cannot be brought to 0 x 0"):
        load_folder(tmp_path / "few", size=0)


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"])
def test_an_unreadable_file_is_named(
    content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _folder(tmp_path, a=4)
    (tmp_path / "a" / "bad.png").write_bytes(content)
    data = load_folder(tmp_path)
    assert len(data.train) + len(data.test) == 4
    assert "1 file cannot be read and left out: a/bad.png" in caplog.text
    with pytest.raises(UsageError, match=r"bad\.png cannot be read as an image"):
        read_image(tmp_path / "a" / "bad.png")


def test_a_truncated_photograph_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _folder(tmp_path, a=4)
    path = _save(tmp_path / "a" / "half.jpg", (90, 80, 70), size=400)
    path.write_bytes(path.read_bytes()[:700])
    load_folder(tmp_path)
    assert "a/half.jpg" in caplog.text


def test_the_same_folder_gives_the_same_data_set(tmp_path: Path) -> None:
    root = _folder(tmp_path, a=10, b=10)
    first, second = load_folder(root), load_folder(root)
    assert same(first.train, second.train)
    assert same(first.test, second.test)

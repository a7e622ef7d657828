"""Data sets of the package `datasets`, here a stand-in of what is asked of it."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest
from folders import picture

from wye.data.folder import Own, inspect_own, load_own
from wye.errors import UsageError
from wye.recipe import resolve
from wye.runs.given import given


class Image:
    def __init__(self, decode: bool = True) -> None:
        self.decode = decode


class ClassLabel:
    names = ("cat", "dog")


class Split:
    """Pictures of either class by turns, as bytes; the last is none, or has no class."""

    features: ClassVar[dict[str, Any]] = {"picture": Image(), "kind": ClassLabel(), "id": None}

    def __init__(self, count: int, start: int, unlabelled: bool = False) -> None:
        self.numbers = range(start, start + count)
        self.unlabelled = unlabelled

    def __len__(self) -> int:
        return len(self.numbers)

    def cast_column(self, column: str, kind: Image) -> Split:
        assert column == "picture" and not kind.decode
        return self

    def __getitem__(self, key: Any) -> Any:
        if key == "kind":
            return [-1 if self.unlabelled else number % 2 for number in self.numbers]
        number = self.numbers[key]
        file = io.BytesIO()
        picture(ClassLabel.names[number % 2], number).save(file, "PNG")
        broken = not self.unlabelled and key == len(self) - 1
        return {"picture": {"bytes": b"x" if broken else file.getvalue(), "path": None}}


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module: Any = ModuleType("datasets")
    splits = {"train": Split(21, 0), "test": Split(7, 100), "unsupervised": Split(3, 200, True)}
    module.Image = Image
    module.load_from_disk = module.load_dataset = lambda name: splits
    monkeypatch.setitem(sys.modules, "datasets", module)
    return module  # type: ignore[no-any-return]


def test_a_data_set_is_read_by_its_splits(package: ModuleType) -> None:
    found = inspect_own("hf:someone/pets")
    assert (found.name, found.classes) == ("pets", ("cat", "dog"))
    sums = {part: sum(by.values()) for part, by in found.counts.items()}
    assert sums == {"train": 20, "test": 6, "unlabelled": 3}
    assert [file.path for file in found.unreadable] == ["train/20", "test/6"]
    data = load_own("hf:someone/pets", Own(size=8))
    assert data.train.pixels.shape == (20, 3, 8, 8) and data.classes == ("cat", "dog")
    recipe = resolve("hf:someone/pets")
    assert (recipe.row, recipe.data.name) == ("own/pets", "hf:someone/pets")


def test_a_saved_folder_is_recognised(package: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "dataset_dict.json").write_text("{}")
    assert len(inspect_own(tmp_path).of("train")) == 20
    assert len(given(tmp_path, ("cat", "dog"))) == 31


def test_what_is_no_data_set_is_refused(
    package: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package.load_dataset = lambda name: {"part-one": Split(3, 0)}
    with pytest.raises(UsageError, match="its split 'part-one' is none of train"):
        inspect_own("hf:pets")
    package.load_dataset = lambda name: 1 / 0
    with pytest.raises(UsageError, match="hf:pets cannot be had"):
        inspect_own("hf:pets")
    monkeypatch.setattr(Split, "features", {"text": None})
    (tmp_path / "state.json").write_text("{}")
    with pytest.raises(UsageError, match="no column of images, only text"):
        inspect_own(tmp_path)
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UsageError, match="pip install datasets"):
        inspect_own("hf:pets")

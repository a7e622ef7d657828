"""Every form in which a copy may lie about gives the same data set, and nothing else does."""

from __future__ import annotations

import io
import os
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from data_forms import (
    FORMS,
    Builder,
    idx_gz,
    idx_plain,
    isolate,
    npm_tarball,
    pretend,
    python_archive,
    python_batches,
    same,
    tiny,
)

import wye.data  # noqa: F401  (enters the data sets)
from wye.data.catalog import DATASETS, content_hash
from wye.data.pickles import load_arrays
from wye.data.sources import fetch
from wye.errors import UsageError

EVERY_FORM = pytest.mark.parametrize(
    ("name", "form"), FORMS, ids=[f"{name}-{form.__name__}" for name, form in FORMS]
)


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test sees the user's own copies or cache."""
    isolate(monkeypatch, tmp_path)


@EVERY_FORM
def test_every_form_gives_the_same_data_set(
    name: str, form: Builder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    parts = tiny(name)
    pretend(monkeypatch, name, parts)
    data = fetch(name, origin=form(parts, tmp_path / "copy")).data
    assert same(data.train, parts[0])
    assert same(data.test, parts[1])
    assert data.classes == DATASETS[name].classes


@EVERY_FORM
def test_a_copy_of_other_content_is_refused(
    name: str, form: Builder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    parts = tiny(name)
    pretend(monkeypatch, name, parts)
    parts[1].pixels[-1, -1, -1, -1] += 1
    copy = form(parts, tmp_path / "copy")
    with pytest.raises(UsageError, match=f"its content is not {name}'s"):
        fetch(name, origin=copy)
    assert not list((tmp_path / "cache").rglob("*.safetensors"))


@pytest.mark.parametrize("where", ["WYE_DATA", "work", "home", "keras"])
def test_copies_are_found_where_people_keep_them(
    where: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    parts = tiny("cifar10")
    pretend(monkeypatch, "cifar10", parts)
    folder = {
        "WYE_DATA": tmp_path / "mine",
        "work": tmp_path / ".work" / "data",
        "home": tmp_path / ".home" / "datasets",
        "keras": tmp_path / ".home" / ".keras" / "datasets",
    }[where]
    python_batches(parts, folder)
    if where == "WYE_DATA":
        monkeypatch.setenv("WYE_DATA", os.pathsep.join([str(tmp_path / "none"), str(folder)]))
    fetched = fetch("cifar10")
    assert same(fetched.data.train, parts[0])
    assert str(folder) in fetched.way


def test_two_data_sets_with_the_same_file_names_are_told_apart(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    digits, clothes = tiny("mnist", 1), tiny("fashion-mnist", 2)
    pretend(monkeypatch, "mnist", digits)
    pretend(monkeypatch, "fashion-mnist", clothes)
    idx_gz(clothes, tmp_path / ".work" / "data")
    idx_gz(digits, tmp_path / ".work" / "datasets")
    assert same(fetch("mnist").data.train, digits[0])
    assert same(fetch("fashion-mnist").data.train, clothes[0])


def test_a_folder_without_any_form_is_told_the_forms(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pretend(monkeypatch, "cifar10", tiny("cifar10"))
    with pytest.raises(UsageError, match=r"holds no cifar10; known forms: the Python"):
        fetch("cifar10", origin=tmp_path)
    with pytest.raises(UsageError, match="no file or folder is called"):
        fetch("cifar10", origin=tmp_path / "absent")


@pytest.mark.parametrize("form", [python_archive, npm_tarball], ids=lambda form: form.__name__)
def test_a_truncated_archive_is_named(
    form: Builder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    parts = tiny("cifar10")
    pretend(monkeypatch, "cifar10", parts)
    archive = form(parts, tmp_path / "copy")
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    with pytest.raises(UsageError, match=archive.name):
        fetch("cifar10", origin=archive)


def test_idx_files_of_a_wrong_length_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    parts = tiny("mnist")
    pretend(monkeypatch, "mnist", parts)
    file = idx_plain(parts, tmp_path / "copy") / "t10k-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(UsageError, match="an IDX file of shape"):
        fetch("mnist", origin=tmp_path / "copy")


class _Evil:
    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call


def test_a_pickle_that_would_run_something_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    parts = tiny("cifar10")
    pretend(monkeypatch, "cifar10", parts)
    folder, mark = python_batches(parts, tmp_path / "copy"), tmp_path / "ran"
    evil = pickle.dumps({b"data": _Evil(os.mkdir, str(mark)), b"labels": []})
    (folder / "cifar-10-batches-py" / "data_batch_3").write_bytes(evil)
    with pytest.raises(UsageError, match=r"refused: the pickle asks for \w+\.mkdir"):
        fetch("cifar10", origin=folder)
    assert not mark.exists()
    pickle.loads(evil)
    assert mark.exists()  # the pickle does run where nothing holds it back


@pytest.mark.parametrize("function", [eval, exec, getattr, __import__, np.load, np.save])
def test_no_function_can_be_called_from_a_pickle(function: Callable[..., object]) -> None:
    with pytest.raises(pickle.UnpicklingError, match="refused"):
        load_arrays(pickle.dumps(_Evil(function, "1")))


def test_damaged_pickles_raise_one_kind_of_error() -> None:
    whole = pickle.dumps({"data": np.arange(20, dtype=np.uint8)}, protocol=2)
    assert load_arrays(whole)["data"].tolist() == list(range(20))
    for length in range(len(whole)):
        with pytest.raises(pickle.UnpicklingError):
            load_arrays(whole[:length])


def test_content_hash_covers_pixels_labels_and_their_parts() -> None:
    parts = tiny("mnist")
    whole = content_hash(parts)
    assert whole == content_hash(tiny("mnist"))
    changed = [tiny("mnist") for _ in range(4)]
    changed[0][0].pixels[0, 0, 0, 0] += 1
    changed[1][0].labels[0] += 1
    changed[2][1].pixels[-1, 0, 0, 0] += 1
    changed[3][1].labels[-1] += 1
    assert len({whole, *(content_hash(other) for other in changed)}) == 5
    assert content_hash((parts[1], parts[0])) != whole


def test_an_archive_cannot_write_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pretend(monkeypatch, "cifar10", tiny("cifar10"))
    path = tmp_path / "cifar-10-python.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        info = tarfile.TarInfo("../../escaped")
        info.size = 4
        tar.addfile(info, io.BytesIO(b"evil"))
    with pytest.raises(UsageError, match="holds no cifar10"):
        fetch("cifar10", origin=path)
    assert not list(tmp_path.parent.rglob("escaped"))

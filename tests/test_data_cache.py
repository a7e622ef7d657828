"""The cache: what is damaged is noticed and fetched again, and processes share one download."""

from __future__ import annotations

import logging
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from data_forms import idx_gz, isolate, pretend, same, tiny
from safetensors.torch import load_file, save_file

import wye
from wye.data import cache
from wye.data.catalog import Parts, Published, Way
from wye.data.download import UnavailableError
from wye.data.sources import available, fetch, inspect, load
from wye.errors import MachineError, UsageError
from wye.files import cache_folder


class Counter:
    """A way that works, and counts how often it is gone."""

    def __init__(self, parts: Parts) -> None:
        self.parts, self.calls = parts, 0

    def __call__(self, folder: Path) -> Path:
        self.calls += 1
        return idx_gz(self.parts, folder / "files")


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    isolate(monkeypatch, tmp_path)


@pytest.fixture
def parts() -> Parts:
    return tiny("mnist")


@pytest.fixture
def way(parts: Parts) -> Counter:
    return Counter(parts)


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch, parts: Parts, way: Counter) -> Published:
    return pretend(monkeypatch, "mnist", parts, Way("a way", way))


def _left(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "cache" / "data").iterdir())


def test_the_second_load_fetches_nothing(source: Published, way: Counter, parts: Parts) -> None:
    assert not available("mnist")
    assert same(load("mnist").train, parts[0])
    assert available("mnist")
    assert same(load("mnist").test, parts[1])
    assert fetch("mnist").way == "cache"
    assert way.calls == 1
    assert fetch("mnist", force=True).way == "a way"
    assert way.calls == 2


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-50])


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _text(path: Path) -> None:
    path.write_text("<html>Please log in to the network</html>")


def _relabelled(path: Path) -> None:
    tensors = load_file(path)
    tensors["train.labels"] = (tensors["train.labels"] + 1) % 10
    metadata = {"content": path.stem.split("-")[-1]}
    save_file(tensors, path, metadata)


def _reshaped(path: Path) -> None:
    tensors = load_file(path)
    tensors["train.pixels"] = tensors["train.pixels"].reshape(-1, 1, 56, 14)
    save_file(tensors, path)


DAMAGES = [_flip, _truncate, _empty, _text, _relabelled, _reshaped]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_file_is_named_and_fetched_again(
    damage: Callable[[Path], None],
    source: Published,
    way: Counter,
    parts: Parts,
    caplog: pytest.LogCaptureFixture,
) -> None:
    load("mnist")
    path = cache.path_of(source)
    damage(path)
    assert inspect("mnist", thorough=True).state == "damaged"
    with caplog.at_level(logging.WARNING, "wye"):
        data = load("mnist")
    assert same(data.train, parts[0])
    assert same(data.test, parts[1])
    assert way.calls == 2
    [record] = caplog.records
    assert str(path) in record.getMessage()
    assert "fetching it again" in record.getMessage()
    assert "\n" not in record.getMessage()
    assert inspect("mnist", thorough=True).state == "good"


def test_a_cached_file_of_another_content_is_not_used(
    monkeypatch: pytest.MonkeyPatch, source: Published, way: Counter
) -> None:
    load("mnist")
    stale = cache.path_of(source)
    other = tiny("mnist", seed=5)
    newer = pretend(monkeypatch, "mnist", other, Way("newer", Counter(other)))
    shutil.copy(stale, cache.path_of(newer))
    assert not available("mnist")
    assert same(load("mnist").train, other[0])


def test_nothing_wrong_is_ever_stored(
    monkeypatch: pytest.MonkeyPatch, parts: Parts, tmp_path: Path
) -> None:
    wrong = Counter(tiny("mnist", seed=9))
    pretend(monkeypatch, "mnist", parts, Way("a way", wrong))
    with pytest.raises(MachineError, match="a way: its content is not mnist's"):
        load("mnist")
    assert _left(tmp_path) == [".mnist.lock"]


def test_the_ways_are_tried_in_order_and_each_failure_is_told(
    monkeypatch: pytest.MonkeyPatch, parts: Parts, tmp_path: Path
) -> None:
    def closed(folder: Path) -> Path:
        raise UnavailableError("no answer within 5 s")

    def broken(folder: Path) -> Path:
        (folder / "mnist.pkl.gz").write_bytes(b"\x1f\x8bnot really")
        return folder

    def empty(folder: Path) -> Path:
        return folder

    pretend(monkeypatch, "mnist", parts, Way("A", closed), Way("B", broken), Way("C", empty))
    local = tmp_path / ".work" / "data"
    idx_gz(tiny("mnist", seed=3), local)
    with pytest.raises(MachineError) as caught:
        load("mnist")
    lines = str(caught.value).splitlines()
    assert lines[0] == "mnist could not be obtained; tried"
    assert lines[1].startswith("  data: its content is not mnist's")
    assert lines[2].startswith("  local copies: no other in data, datasets, ")
    assert lines[3] == "  A: no answer within 5 s"
    assert lines[4].startswith("  B: ")
    assert len(lines[4]) > len("  B: ")
    assert lines[5].startswith("  C: ")
    assert lines[6] == "with a copy at hand: wye data fetch mnist --from PATH"
    assert len(lines) == 7

    last = Counter(parts)
    pretend(monkeypatch, "mnist", parts, Way("A", closed), Way("B", broken), Way("D", last))
    assert fetch("mnist").way == "D"


def test_an_explicit_copy_is_the_only_way(
    source: Published, way: Counter, parts: Parts, tmp_path: Path
) -> None:
    copy = idx_gz(parts, tmp_path / "copy")
    assert fetch("mnist", origin=copy).way == str(copy)
    (copy / "train-images-idx3-ubyte.gz").write_bytes(b"damaged")
    with pytest.raises(UsageError, match="copy"):
        fetch("mnist", origin=copy)  # even though a sound copy is cached
    assert way.calls == 0


def test_a_failed_write_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch, source: Published, tmp_path: Path
) -> None:
    def full(tensors: object, path: Path, metadata: object) -> None:
        path.write_bytes(b"the first half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache, "save_file", full)
    with pytest.raises(MachineError, match=r"No space left on device.*WYE_CACHE"):
        load("mnist")
    assert _left(tmp_path) == [".mnist.lock"]


def test_what_a_killed_process_left_is_cleared_away(source: Published, tmp_path: Path) -> None:
    left = tmp_path / "cache" / "data" / ".mnist.abc.part"
    left.mkdir(parents=True)
    (left / "half").write_bytes(b"x")
    load("mnist")
    assert _left(tmp_path) == [".mnist.lock", cache.path_of(source).name]


def test_an_unwritable_cache_is_told_before_any_download(
    monkeypatch: pytest.MonkeyPatch, source: Published, way: Counter, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WYE_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(MachineError, match="set WYE_CACHE"):
        load("mnist")
    assert way.calls == 0


def test_the_place_of_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("WYE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "wye"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == tmp_path / ".home" / ".cache" / "wye"


def test_others_may_read_a_shared_cache(source: Published) -> None:
    load("mnist")
    mode = cache.path_of(source).stat().st_mode
    plain = cache.path_of(source).with_name("plain")
    plain.touch()
    assert stat.S_IMODE(mode) == stat.S_IMODE(plain.stat().st_mode)


def test_writing_to_a_loaded_data_set_changes_no_other(source: Published, parts: Parts) -> None:
    data = load("mnist")
    data.train.pixels.zero_()
    assert same(load("mnist").train, parts[0])
    assert torch.count_nonzero(data.train.pixels) == 0


PROCESS = """
import sys, time
from pathlib import Path
sys.path[:0] = {path!r}
import pytest
from data_forms import idx_gz, pretend, same, tiny
from wye.data.catalog import Way
from wye.data.sources import load

parts = tiny("mnist")

def slow(folder):
    with open("calls", "a") as file:
        file.write("called\\n")
    time.sleep(1)
    return idx_gz(parts, folder / "files")

with pytest.MonkeyPatch.context() as patch:
    pretend(patch, "mnist", parts, Way("slow", slow))
    Path(sys.argv[1]).touch()
    while not (Path("ready-0").exists() and Path("ready-1").exists()):
        time.sleep(0.01)
    assert same(load("mnist").train, parts[0])
"""


def test_two_processes_download_once(tmp_path: Path) -> None:
    script = PROCESS.format(path=[str(Path(__file__).parent), str(Path(wye.__file__).parents[1])])
    processes = [
        subprocess.Popen([sys.executable, "-c", script, f"ready-{i}"], cwd=tmp_path)
        for i in range(2)
    ]
    assert [process.wait(timeout=60) for process in processes] == [0, 0]
    assert (tmp_path / "calls").read_text().splitlines() == ["called"]


def test_unknown_names_are_answered_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"did you mean 'cifar10'.*fashion-mnist.*shapes"):
        load("cifar100")
    with pytest.raises(UsageError, match=r"did you mean 'mnist'"):
        fetch("mnits")
    with pytest.raises(UsageError, match="known: cifar10"):
        available("nonesuch")

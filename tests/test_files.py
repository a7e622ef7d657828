"""Files that are whole or not there, whenever a process or the machine ends."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from wye.files import held, scratch, write_atomically


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def failing(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(OSError, match="No space") as caught:
        write_atomically(path, b"new")
    assert caught.value.filename == str(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("folder", ["/proc", "/missing"])
def test_what_cannot_be_made_is_named_as_it_was_asked_for(folder: str) -> None:
    """Linux has no file made in /proc and calls it missing, although the folder is there."""
    with pytest.raises(FileNotFoundError) as caught:
        write_atomically(Path(folder, "file"), b"new")
    assert caught.value.filename == f"{folder}/file"


def test_bytes_are_on_the_disk_before_the_name_and_the_name_before_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a power cut cannot undo: the order in which file, name and folder are flushed."""
    done: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def flushed(handle: int) -> None:
        name = Path(os.readlink(f"/proc/self/fd/{handle}"))
        done.append("folder" if name.is_dir() else name.read_text())
        fsync(handle)

    def renamed(self: Path, target: Path) -> None:
        done.append(f"to {target.name}")
        replace(self, target)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(Path, "replace", renamed)
    write_atomically(tmp_path / "file", b"new")
    assert done == ["new", "to file", "folder"]


def test_what_a_killed_writer_left_is_removed_and_what_another_writes_is_not(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a[1].html"
    (tmp_path / ".a[1].html.x.part").write_bytes(b"half")
    (tmp_path / ".a[1].html.y.part").mkdir()
    (tmp_path / ".a[1].html.y.part" / "inside").write_bytes(b"half")
    (tmp_path / ".other.x.part").write_bytes(b"not ours")
    with scratch(path) as folder:
        (folder / "growing").write_bytes(b"half")
        write_atomically(path, b"whole")
        assert sorted(p.name for p in tmp_path.iterdir()) == sorted(
            [folder.name, ".other.x.part", path.name]
        )
    assert sorted(p.name for p in tmp_path.iterdir()) == [".other.x.part", path.name]


def test_a_folder_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    inside = threading.Event()

    def other() -> None:
        with held(tmp_path):
            inside.set()

    thread = threading.Thread(target=other)
    with held(tmp_path):
        thread.start()
        assert not inside.wait(0.2)
    thread.join()
    assert inside.is_set() and not list(tmp_path.iterdir())

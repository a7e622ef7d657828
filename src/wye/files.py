"""Files that are whole or not there, and the folder of what is kept between runs."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from wye.errors import MachineError, UsageError
from wye.wording import shown

PARTIAL = ".part"
MISSED = 100


def cache_folder() -> Path:
    """`$WYE_CACHE`, else `wye` in `$XDG_CACHE_HOME`, else in `~/.cache`.

    Raises:
        UsageError: the user whose home it is in is unknown.
    """
    if own := os.environ.get("WYE_CACHE"):
        return expanded(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or expanded("~/.cache")) / "wye"


def expanded(path: Path | str) -> Path:
    """A path whose `~` is the home of the user, and whose `~name` that of another.

    Raises:
        UsageError: there is no such user, or the system knows no home of this one.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        name = Path(path).parts[0].removeprefix("~")
        what = f"there is no user {shown(name)}" if name else "this user has no home folder"
        raise UsageError(f"{shown(str(path))}: {what}") from None


@contextlib.contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """A file to be read, which lies on a disk: a pipe or a device may block, or never end.

    Raises:
        OSError: it cannot be read.
        MachineError: there is something else than a file.
    """
    check_file(path)
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        yield file


def check_file(path: Path) -> None:
    """See that a path leads to a file, before somebody else's code opens it.

    Raises:
        OSError: it leads nowhere, or to a folder.
        MachineError: it leads to a pipe, a device or a socket.
    """
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise MachineError(f"{path} is no file, but a pipe, a device or a socket")


def open_own(path: Path, flags: int) -> int:
    """Open a file to be written in place, which is made where it isn't there: never through a link.

    Whoever made the folder may have put a link there that leads to another file.

    Raises:
        OSError: it is a link or no file, or cannot be opened.
    """
    try:
        handle = os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENXIO) or not path.is_symlink():
            raise
        why = "it is a link, and what it leads to is not written"
        raise OSError(errno.ELOOP, why, str(path)) from None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "it is no file", str(path))
    return handle


def usual_mode() -> int:
    """The mode of a new file under the process's mask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return 0o666 & ~mask


def write_atomically(path: Path, content: bytes) -> None:
    """Write `path` so that a reader, or a crash, never meets a part of it: see `replacing`.

    Raises:
        OSError: it cannot be written; what was there before is untouched and nothing is left over.
    """
    with replacing(path) as file:
        file.write(content)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes the place of `path` when it is whole.

    The bytes go to a temporary file beside it and on to the disk, then the file is renamed, then
    the folder goes to the disk: after a power cut there is the old file or the new one. A temporary
    file that a killed process left is removed by the next that writes `path`.

    Raises:
        OSError: it cannot be written; what was there before is untouched and nothing is left over.
    """
    with _named(path):
        handle, temporary = _locked(path, tempfile.mkstemp)
    try:
        with _named(path), os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            # mkstemp makes files only their owner can read; a run folder is meant to be shared.
            temporary.chmod(usual_mode())
            temporary.replace(path)
        flush_folder(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """Let errors name `path`, rather than nothing (a full disk's) or a temporary file beside it."""
    try:
        yield
    except OSError as error:
        if error.filename is None or str(error.filename).endswith(PARTIAL):
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise


@contextlib.contextmanager
def scratch(path: Path) -> Iterator[Path]:
    """A folder beside `path`, which is made there; removed at the end, after a kill by the next.

    Raises:
        OSError: it cannot be made.
    """

    def make(**place: Any) -> tuple[int, str]:
        name = tempfile.mkdtemp(**place)
        return os.open(name, os.O_RDONLY), name

    handle, folder = _locked(path, make)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def _locked(path: Path, make: Callable[..., tuple[int, str]]) -> tuple[int, Path]:
    """A temporary file or folder beside `path`, locked while it is open: nobody removes it then.

    Those of writers that are no more, whose locks the system has freed, are removed before.
    """
    for left in path.parent.glob(f".{glob.escape(path.name)}.*{PARTIAL}"):
        with contextlib.suppress(OSError):
            _remove_abandoned(left)
    missed = 0
    while True:
        try:
            handle, name = make(prefix=f".{path.name}.", suffix=PARTIAL, dir=path.parent)
        except FileNotFoundError:  # somebody took a folder for abandoned; or none can be made here
            missed += 1
            if missed > MISSED:
                raise
            continue
        _lock(handle)
        if os.fstat(handle).st_nlink:
            return handle, Path(name)
        os.close(handle)  # somebody took it for abandoned before it was locked


def _remove_abandoned(left: Path) -> None:
    handle = os.open(left, os.O_RDONLY if left.is_dir() else os.O_RDWR)  # NFS locks the writable
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    finally:
        os.close(handle)


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a folder against other processes that want to hold it; waits for them.

    Raises:
        OSError: nothing can be written there.
    """
    mark = folder / ".lock"
    while True:
        handle = open_own(mark, os.O_RDWR)
        _lock(handle)
        if os.fstat(handle).st_nlink:
            break
        os.close(handle)
    try:
        yield
    finally:
        mark.unlink(missing_ok=True)
        os.close(handle)


def _lock(handle: int) -> None:
    with contextlib.suppress(OSError):  # a file system without locks
        fcntl.flock(handle, fcntl.LOCK_EX)


def flush_folder(folder: Path) -> None:
    """Let the names in a folder reach the disk; nothing where the file system doesn't do that."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def save_bytes(path: Path, content: bytes) -> None:
    """Write `path` whole or not at all; its folder is made.

    Raises:
        MachineError: the machine refused.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
    except OSError as problem:
        raise MachineError(f"cannot write {path}: {problem.strerror or problem}") from problem

"""Files that are whole or not there, and the folder of what is kept between runs."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from wye.errors import MachineError

PARTIAL = ".part"


def cache_folder() -> Path:
    """`$WYE_CACHE`, else `wye` in `$XDG_CACHE_HOME`, else in `~/.cache`."""
    if own := os.environ.get("WYE_CACHE"):
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wye"


def usual_mode() -> int:
    """The mode of a new file under the process's mask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return 0o666 & ~mask


def write_atomically(path: Path, content: bytes | Callable[[Path], None]) -> None:
    """Write `path` so that a reader, or a crash, never meets a part of it.

    Args:
        path: where the file shall be.
        content: its bytes, or a function that writes a file at the path it is given.

    Raises:
        OSError: it cannot be written; what was there before is untouched and nothing is left over.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=PARTIAL, dir=path.parent)
    temporary = Path(name)
    try:
        if callable(content):
            os.close(handle)
            content(temporary)
        else:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
        # mkstemp makes files only their owner can read; a run folder is meant to be shared.
        temporary.chmod(usual_mode())
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            # The error of a full disk has no file's name.
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise


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

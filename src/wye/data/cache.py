"""Data sets on this machine: one file each, shared by all processes, checked when it is read."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from wye.data.catalog import Parts, Source
from wye.data.images import DataSet, Images
from wye.errors import MachineError
from wye.files import cache_folder, scratch, usual_mode

log = logging.getLogger("wye")


class DamagedError(Exception):
    """A cached file is not what was stored; the message is one line that says why."""


def path_of(source: Source) -> Path:
    """Where `source` is or would be; the name carries its content, so a new one is a new file."""
    return cache_folder() / "data" / f"{source.name}-{source.content[:16]}.safetensors"


def way_of(source: Source) -> str | None:
    """How the cached copy was obtained; None if there is no complete file. Reads no pixels."""
    try:
        with safe_open(path_of(source), "pt") as file:
            metadata = file.metadata() or {}
    except (OSError, SafetensorError):
        return None
    return metadata.get("way", "unknown") if metadata.get("content") == source.content else None


def read(source: Source) -> DataSet | None:
    """The cached data set, its content checked; None if it isn't in the cache.

    The tensors are mapped from the file: processes share the memory, and writing to a tensor
    changes neither the file nor the others.

    Raises:
        DamagedError: the file cannot be read or holds something else.
    """
    path = path_of(source)
    if not path.exists():
        return None
    try:
        with safe_open(path, "pt") as file:
            train, test = (
                Images(file.get_tensor(f"{part}.pixels"), file.get_tensor(f"{part}.labels"))
                for part in ("train", "test")
            )
    except (OSError, SafetensorError, ValueError) as error:
        raise DamagedError(f"cannot be read: {error}") from error
    if fault := source.fault((train, test)):
        raise DamagedError(fault)
    return DataSet(source.name, source.classes, train, test)


def write(source: Source, parts: Parts, way: str, place: Path) -> Path:
    """Store a data set whose content has been checked, all of it or nothing.

    Args:
        way: how it was obtained, kept beside the pixels.
        place: a folder of `working`'s, where the file grows before it is put in place.

    Raises:
        MachineError: the file cannot be written.
    """
    path, growing = path_of(source), place / "growing"
    tensors = {
        f"{name}.{kind}": tensor
        for name, part in zip(("train", "test"), parts, strict=True)
        for kind, tensor in (("pixels", part.pixels[:]), ("labels", part.labels))
    }
    metadata = {"name": source.name, "content": source.content, "way": way}
    try:
        save_file(tensors, growing, metadata)
        # safetensors writes for the owner alone; a shared cache follows the folder's users.
        growing.chmod(usual_mode())
        os.replace(growing, path)
    except (OSError, SafetensorError) as error:
        raise _unwritable(error) from error
    return path


@contextlib.contextmanager
def working(source: Source) -> Iterator[Path]:
    """Hold the right to obtain `source`, and yield a scratch folder on the cache's own disk.

    One process at a time holds it; the others wait. The folder is removed at the end, and what a
    killed process left behind is removed by the next.

    Raises:
        MachineError: the cache cannot be written.
    """
    folder = cache_folder() / "data"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f".{source.name}.lock")
        try:
            lock.acquire(blocking=False)
        except Timeout:
            log.info("%s: another process is fetching it; waiting", source.name)
            lock.acquire()
    except OSError as error:
        raise _unwritable(error) from error
    try:
        with contextlib.ExitStack() as stack:
            try:
                place = stack.enter_context(scratch(folder / source.name))
            except OSError as error:
                raise _unwritable(error) from error
            yield place
    finally:
        lock.release()


def _unwritable(error: Exception) -> MachineError:
    return MachineError(
        f"the cache {cache_folder()} cannot be written ({error}); "
        "set WYE_CACHE to a folder that can be written"
    )

"""The folder of a run: held by one process alone, and for no other run than the one asked for."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from wye.errors import TrainingError, UsageError
from wye.recipe.schema import Recipe
from wye.runs.dependencies import same
from wye.runs.folder import RunFolder
from wye.runs.run import Run


class HeldError(UsageError):
    """Another process has the run folder."""


def finished_run(
    recipe: Recipe, folder: RunFolder, resume: bool = True, max_steps: int | None = None
) -> Run | None:
    """The run in the folder if it is this one and finished; None if there is something to do.

    Raises:
        WyeError: the folder holds another run, or any while `resume` is False; or it is damaged.
    """
    if not folder.holds_run:
        return None
    if not resume:
        raise UsageError(
            f"{folder.path} holds a run already; --resume goes on with it, --out DIR puts another"
            " one elsewhere"
        )
    stored = Run(folder.path)
    same_recipe(recipe, stored.recipe, folder)
    if stored.result is None:
        return None
    far = max_steps is not None and stored.result.get("steps", 0) >= max_steps
    return stored if stored.result["status"] == "complete" or far else None


@contextlib.contextmanager
def claimed(folder: RunFolder) -> Iterator[None]:
    """The folder, made and held by this process alone, and cleared if nothing came of the run.

    The system's lock on `.lock` in the folder (flock) ends with the process, however that ends, so
    a killed process leaves none behind. It holds between machines too, on NFS (version 4, or 3 with
    its lock daemon) and on parallel file systems mounted with locks; there the server may need a
    minute or two to notice that a whole machine died. Where a file system has no such locks,
    filelock warns and writes its holder's name into the file instead; one that a killed process
    left on another machine must then be removed by hand.

    Raises:
        HeldError: another process has it.
    """
    missing = [path for path in (folder.path, *folder.path.parents) if not path.exists()]
    folder.path.mkdir(parents=True, exist_ok=True)
    mark = folder.path / ".lock"
    lock = FileLock(mark, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise HeldError(f"another process is training in {folder.path}") from None
    except OSError:
        _clear(folder, missing)
        raise
    begun = folder.holds_run
    try:
        folder.sweep()
        yield
    except TrainingError as error:
        if (folder.path / "last.ckpt").exists():
            raise TrainingError(
                f"{error}; the epochs before are kept in {folder.path}, which a new run needs"
                " removed or another --out"
            ) from None
        raise
    finally:
        left = ("last.ckpt", "result.json")
        if not begun and not any((folder.path / name).exists() for name in left):
            _clear(folder, missing)
        mark.unlink(missing_ok=True)
        lock.release()


def _clear(folder: RunFolder, missing: list[Path]) -> None:
    """Remove what a run wrote, and the folders that were made for it."""
    if folder.path in missing:
        shutil.rmtree(folder.path, ignore_errors=True)
    else:
        for path in folder.written():
            path.unlink(missing_ok=True)
    for path in missing:
        with contextlib.suppress(OSError):
            path.rmdir()


def same_recipe(wanted: Recipe, stored: Recipe, folder: RunFolder) -> Recipe:
    """The stored recipe, if what is wanted is the same but for a precision left to the machine.

    Raises:
        UsageError: it is another run, with the first setting that differs.
    """
    if not same(stored, wanted):
        key, kept, asked = next(_differences(stored.model_dump(), wanted.model_dump()))
        further = "epochs" in key and isinstance(asked, int) and isinstance(kept, int)
        if further and asked > kept:
            way = (
                f"its schedule was laid out for that; to train it further, --from {folder.path}"
                f" train.epochs={asked - kept} and another --out"
            )
        else:
            way = "resume it with its own settings or choose another --out"
        raise UsageError(
            f"{folder.path} holds another run: its {key} is {kept!r}, not {asked!r}; {way}"
        )
    return stored


def _differences(first: Any, second: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    """The settings in which two recipes differ, by dotted key."""
    if isinstance(first, dict) and isinstance(second, dict):
        for name in {**first, **second}:
            inner = f"{key}.{name}" if key else name
            yield from _differences(first.get(name), second.get(name), inner)
    elif first != second:
        yield key, first, second

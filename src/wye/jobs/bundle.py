"""A run's files as bytes, to be sent where no file system is shared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from wye.errors import MachineError
from wye.files import write_atomically
from wye.runs.folder import RunFolder

PLOTS = (".svg", ".png")
Files = dict[str, bytes]
"""Content by name within the run folder, `figures/curves.svg` for instance."""

READ_BY_DEPENDENTS = (
    "recipe.yaml",
    "environment.json",
    "result.json",
    "config.json",
    "model.safetensors",
)
"""What another run reads of its dependency."""


class Bundle:
    """Reads the files of a run folder, those alone that changed since the last time."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._known: dict[str, tuple[int, int]] = {}

    def changed(self) -> Files:
        """What is new or other than it was at the last call, or at `mark`.

        Where the run goes on meanwhile, a journal and a checkpoint of two epochs may be met. A
        journal that is behind lacks a line; one that is ahead of its checkpoint would record an
        epoch that another worker trains again.
        """
        files = {}
        for name, path in reversed(_present(self._folder)):
            if (state := _state(path)) != self._known.get(name):
                files[name] = path.read_bytes()
                self._known[name] = state
        return files

    def mark(self) -> None:
        """Take the files as they are for known."""
        self._known = {name: _state(path) for name, path in _present(self._folder)}


def pack(folder: RunFolder, names: Iterable[str] | None = None) -> Files:
    """The files of a run, or those of the `names` that are there."""
    wanted = None if names is None else set(names)
    return {
        name: path.read_bytes()
        for name, path in _present(folder)
        if wanted is None or name in wanted
    }


def unpack(folder: RunFolder, files: Mapping[str, bytes]) -> None:
    """Write a run's files, each whole or not at all, in the order in which a run writes them.

    Raises:
        MachineError: a name is none of a run's files; nothing is written.
        OSError: a file cannot be written.
    """
    known = [str(path.relative_to(folder.path)) for path in folder.written()]
    for name in files:
        is_plot = Path(name).parent == Path(folder.figures.name) and Path(name).suffix in PLOTS
        if name not in known and not is_plot:
            raise MachineError(f"{name!r} came from a worker, and is none of a run's files")
    plots = [name for name in files if name not in known]
    for name in (*plots, *(name for name in known if name in files)):
        path = folder.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, files[name])


def _present(folder: RunFolder) -> list[tuple[str, Path]]:
    paths = [path for path in sorted(folder.figures.glob("*")) if path.suffix in PLOTS]
    paths += [path for path in folder.written() if path.is_file()]
    return [(str(path.relative_to(folder.path)), path) for path in paths]


def _state(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_mtime_ns, found.st_size

"""From a name or a folder to a data set, by the first way that works."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from wye.data import cache
from wye.data.archives import reading
from wye.data.catalog import DATASETS, Generated, MalformedError, Parts, Published, Source
from wye.data.download import UnavailableError
from wye.data.folder import Own, is_own, load_own, seed_from
from wye.data.images import DataSet
from wye.errors import MachineError, UsageError
from wye.files import expanded
from wye.recipe.mistaken import meant_by
from wye.registry import suggest

log = logging.getLogger("wye")


@dataclass(frozen=True)
class Fetched:
    """A data set and how it came here: 'cache', 'generated' or the way that worked."""

    data: DataSet
    way: str


def load(
    name_or_path: str | Path,
    *,
    image_size: int | None = None,
    generator: torch.Generator | None = None,
    own: Own | None = None,
) -> DataSet:
    """A data set by its name, fetched if it isn't here yet, or a person's own images.

    Args:
        name_or_path: a name in `DATASETS`, or a folder, a table or an array file (see `load_own`).
        image_size: height and width of own images, 32 by default; a named data set keeps its own.
        generator: draws the parts of own images, where they have none.
        own: what else is made of own images.

    Raises:
        UsageError: no such data set or folder, or a folder without images.
        MachineError: the data set can be obtained by none of its ways; each is listed.
    """
    name = str(name_or_path)
    if name not in DATASETS:
        if is_own(name):
            own = replace(own or Own(), seed=seed_from(generator))
            return load_own(name, replace(own, size=image_size or own.size))
        if mistake := meant_by(name):
            raise UsageError(mistake)
        raise UsageError(
            f"no data set and no folder is called {name!r}; {suggest(name, DATASETS)}, "
            "or a folder of images with one folder a class, a table (.csv, .jsonl) or arrays (.npz)"
        )
    if os.path.isdir(name):
        log.warning(
            "%s is the data set of that name; the folder %s here is passed over: ./%s means it",
            *(name, name, name),
        )
    source = DATASETS[name]
    if isinstance(source, Published):
        try:
            if data := cache.read(source):
                return data
        except cache.DamagedError:
            pass  # fetch says so, unless another process has mended it meanwhile
    return fetch(name).data


def available(name: str) -> bool:
    """Whether `load(name)` needs no network and no search: it is cached, or is generated.

    Raises:
        UsageError: no data set is called `name`.
    """
    source = DATASETS.find(name)
    return not isinstance(source, Published) or cache.way_of(source) is not None


def fetch(name: str, *, origin: Path | None = None, force: bool = False) -> Fetched:
    """Put a data set into the cache, unless a sound copy is there.

    Args:
        origin: the file or folder to take it from, and nothing else.
        force: obtain it again even where a sound copy is cached.

    Raises:
        UsageError: no data set is called `name`, or `origin` doesn't hold it.
        MachineError: no way worked, or the cache cannot be written.
    """
    source = DATASETS.find(name)
    if isinstance(source, Generated):
        return Fetched(_dataset(source, source.generate()), "generated")
    assert isinstance(source, Published)
    if origin and not origin.exists():
        raise UsageError(f"no file or folder is called {str(origin)!r}")
    with cache.working(source) as scratch:
        if origin is None and not force:
            try:
                if data := cache.read(source):
                    return Fetched(data, "cache")
            except cache.DamagedError as error:
                path = cache.path_of(source)
                log.warning("%s: the cached file %s %s; fetching it again", name, path, error)
        parts, way = _from_origin(source, origin) if origin else _obtain(source, scratch)
        path = cache.write(source, parts, way, scratch)
        log.info("%s: obtained from %s, kept in %s", name, way, path)
    del parts  # the cached copy is mapped from its file; one is enough
    try:
        if data := cache.read(source):
            return Fetched(data, way)
    except cache.DamagedError as error:
        raise MachineError(f"{path} was written and read back differently: {error}") from error
    raise MachineError(f"{path} vanished as soon as it was written")


@dataclass(frozen=True)
class State:
    """What `inspect` found of one data set.

    Attributes:
        state: 'good', 'damaged', 'absent' or 'generated'.
        detail: why it is damaged, or how a good copy was obtained.
    """

    source: Source
    state: str
    detail: str
    path: Path | None


def inspect(name: str, *, thorough: bool) -> State:
    """The state of a data set on this machine; fetches nothing.

    Args:
        thorough: check every pixel of a cached copy, and generate what is generated.

    Raises:
        UsageError: no data set is called `name`.
    """
    source = DATASETS.find(name)
    if isinstance(source, Generated):
        fault = source.fault(source.generate()) if thorough else None
        return State(source, "damaged" if fault else "generated", fault or "", None)
    path, way = cache.path_of(source), cache.way_of(source)
    try:
        if not path.exists() or (thorough and cache.read(source) is None):
            return State(source, "absent", "", None)
    except cache.DamagedError as error:
        return State(source, "damaged", str(error), path)
    if way is None:
        return State(source, "damaged", "is incomplete", path)
    return State(source, "good", way, path)


def _dataset(source: Source, parts: Parts) -> DataSet:
    return DataSet(source.name, source.classes, *parts)


def _obtain(source: Published, scratch: Path) -> tuple[Parts, str]:
    """The data set by the first way that works, and that way's name."""
    tried: list[str] = []
    folders = _local_folders()
    for path in _candidates(source, folders):
        try:
            if parts := _verified(source, path):
                return parts, str(path.resolve())
        except MalformedError as error:
            tried.append(f"{path}: {error}")
            log.info("%s: %s", source.name, tried[-1])
    searched = ", ".join(str(folder) for folder in folders)
    tried.append(f"local copies: {'no other' if tried else 'none'} in {searched}")
    for number, way in enumerate(source.ways):
        log.info("%s: trying %s", source.name, way.label)
        folder = scratch / str(number)
        folder.mkdir()
        try:
            if parts := _verified(source, way.obtain(folder)):
                return parts, way.label
            raise MalformedError("delivered something else")
        except (UnavailableError, MalformedError) as error:
            tried.append(f"{way.label}: {error}")
            log.info("%s: %s", source.name, tried[-1])
    raise MachineError(
        f"{source.name} could not be obtained; tried\n"
        + "".join(f"  {line}\n" for line in tried)
        + f"with a copy at hand: wye data fetch {source.name} --from PATH"
    )


def _from_origin(source: Published, origin: Path) -> tuple[Parts, str]:
    """The data set in the file or folder that the user named."""
    faults: list[str] = []
    for path in _candidates(source, [origin]):
        try:
            if parts := _verified(source, path):
                return parts, str(path.resolve())
        except MalformedError as error:
            faults.append(f"{path}: {error}")
    raise UsageError(
        "; ".join(faults) or f"{origin} holds no {source.name}; known forms: {source.forms}"
    )


def _verified(source: Published, path: Path) -> Parts | None:
    """The data set at `path`, its content checked; None if `path` holds no form of it."""
    if not path.exists():
        return None
    with reading():
        parts = source.read(path)
    if parts is None:
        return None
    if fault := source.fault(parts):
        raise MalformedError(fault)
    return parts


def _local_folders() -> list[Path]:
    """Where people keep data sets; those that `WYE_DATA` names come first."""
    home = expanded("~")
    own = [expanded(part) for part in os.environ.get("WYE_DATA", "").split(os.pathsep) if part]
    usual = [Path("data"), Path("datasets"), home / "data", home / "datasets"]
    return [*own, *usual, home / ".keras" / "datasets", Path("/usr/share/datasets")]


def _candidates(source: Published, folders: list[Path]) -> Iterator[Path]:
    """The paths in `folders` where a copy usually lies; a file is its own candidate."""
    for folder in folders:
        if folder.is_dir():
            yield from (path for place in source.places if (path := folder / place).exists())
        elif folder.exists():
            yield folder

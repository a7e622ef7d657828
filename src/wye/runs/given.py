"""Images given to a finished run: files, folders, patterns, a list on standard input, data sets."""

from __future__ import annotations

import glob
import logging
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath

import torch
from PIL import Image
from torch import Tensor

from wye.data.arrays import list_arrays
from wye.data.catalog import DATASETS
from wye.data.folder import is_own, listing_of
from wye.data.folder_names import MASKS, PARTS, normal, part_of
from wye.data.hub import is_saved
from wye.data.images import DataSet
from wye.data.inspection import Unreadable
from wye.data.listing import ARRAYS, TABLES, Entry, Listing, every_image
from wye.data.reading import READ_ERRORS, open_image, why
from wye.data.sources import load
from wye.data.storage import Pixels, part_size
from wye.data.tables import list_table, table_beside
from wye.errors import UsageError
from wye.files import expanded
from wye.registry import suggest
from wye.runs.model import Model
from wye.wording import one_line

STDIN = "-"
AT_ONCE = 256
"""Images that are read before the network sees them."""

log = logging.getLogger("wye")


def given(data: str | Path | Sequence[str | Path], classes: Sequence[str] = ()) -> list[Entry]:
    """The images that a person names, none of them read yet.

    Each is one of: an image file; a folder, with all below it; a pattern such as `photos/*.jpg`; a
    table of path and label; an array file; a data set's name; `-`, for a list of such on standard
    input, one on a line. In a folder an image's class is the nearest folder above it that is called
    as one of `classes`, and its part the one that a folder above is called after; where no folder
    says so, a table beside the images does.

    Args:
        classes: those of the run.

    Raises:
        UsageError: there is no such thing, or it holds no images.
    """
    items = [data] if isinstance(data, str | Path) else data
    known = {normal(name) for name in classes}
    found = {entry.path: entry for item in items for entry in _of(str(item), known)}
    if not found:
        raise UsageError("no images were given: standard input holds no line")
    return list(found.values())


def _of_list(classes: set[str]) -> list[Entry]:
    """What the lines of standard input name; those that name nothing are told."""
    if sys.stdin is None:
        raise UsageError("standard input is closed, so it holds no list")
    # Names of files are bytes, and need not be text in the terminal's encoding.
    read = getattr(sys.stdin, "buffer", None)
    text = sys.stdin.read() if read is None else os.fsdecode(read.read())
    lines = [line for line in text.replace("\r\n", "\n").split("\n") if line.strip()]
    found: list[Entry] = []
    faults: list[str] = []
    for line in lines:
        try:
            found += _of(line, classes)
        except UsageError as error:
            faults.append(str(error))
    named = "".join(f"\n  {fault}" for fault in faults)
    if faults and not found:
        raise UsageError(f"nothing of the list can be read:{named}")
    if faults:
        log.warning("%d of %d lines of the list are left out:%s", len(faults), len(lines), named)
    return found


def _of(item: str, classes: set[str]) -> Iterable[Entry]:
    if item == STDIN:
        return _of_list(classes)
    if item in DATASETS:
        return _of_set(load(item))
    path = expanded(item)
    if path.is_dir() and not is_saved(path):
        return _of_folder(path, classes)
    if is_own(item):
        return _of_file(item, path)
    if path.is_file():
        return [Entry(item, "", _class_of(path.parts[:-1], classes), partial(open_image, path))]
    if path.exists() or path.is_symlink():
        what = "leads nowhere" if path.is_symlink() else "is neither a file nor a folder"
        raise UsageError(f"{item} {what}")
    if matches := sorted(glob.glob(str(path), recursive=True)):
        return [entry for match in matches for entry in _of(match, classes)]
    if glob.has_magic(item):
        raise UsageError(f"nothing fits the pattern {item}")
    if item.startswith(("http://", "https://")):
        raise UsageError(f"{item} is an address: download it, and give the file")
    if path.suffix or len(path.parts) > 1:
        raise UsageError(f"there is no file or folder {item}")
    raise UsageError(f"there is no file, folder or data set {item}; {suggest(item, DATASETS)}")


def _of_file(item: str, path: Path) -> list[Entry]:
    """The images of a table, an array file or a data set of `datasets`, by paths of their own."""
    if path.suffix.lower() in ARRAYS and path.is_file():
        entries = list_arrays(path, labelled=False).entries
        return [replace(entry, path=f"{item}/{entry.path}") for entry in entries]
    if path.suffix.lower() in TABLES and path.is_file():
        return _of_table(list_table(path, labelled=False))
    return listing_of(item).entries


def _of_table(table: Listing) -> list[Entry]:
    """The images of a table, by paths that can be opened."""
    for note in table.notes:
        log.info("%s: %s", table.root, note)
    for left in table.left_out:
        log.warning(
            "%s: left out: %d %s (%s)", table.root, left.count, left.why, ", ".join(left.examples)
        )
    return [replace(entry, path=str(entry.file or entry.path)) for entry in table.entries]


def _of_folder(root: Path, classes: set[str]) -> list[Entry]:
    places, left_out = every_image(root)
    if not places:
        hints = "; ".join(f"{left.count} {left.why}" for left in left_out)
        raise UsageError(
            f"the folder {root} holds no images{f' (left out: {hints})' if hints else ''}"
        )
    for left in left_out:
        log.info("%s: left out: %d %s (%s)", root, left.count, left.why, ", ".join(left.examples))
    entries = [
        Entry(
            str(root.joinpath(*place)),
            next((part for name in place[:-1] if (part := part_of(name))), ""),
            _class_of((root.resolve().name, *place[:-1]), classes),
            partial(open_image, root.joinpath(*place)),
        )
        for place in places
    ]
    if any(entry.label for entry in entries):
        return entries
    if (table := table_beside(root)) is not None:
        log.info("%s: the classes are those that %s says", root, table.root.name)
        return _of_table(table)
    return entries


def _class_of(folders: Sequence[str], classes: set[str]) -> str:
    for name in reversed(folders):
        if normal(name) in classes:
            return normal(name)
        if name.casefold() in MASKS:
            return ""
    return ""


def _of_set(data: DataSet) -> Iterator[Entry]:
    for part in PARTS:
        if (images := getattr(data, part)) is None:
            continue
        for at, label in enumerate(images.labels.tolist()):
            name = data.classes[label] if label >= 0 else ""
            picture = partial(picture_at, images.pixels, at)
            yield Entry(f"{data.name}/{part}/{at}", part, name, picture)


def picture_at(pixels: Pixels, at: int) -> Image.Image:
    """One of some uint8 pixels `(N, C, H, W)` as a picture."""
    return Image.fromarray(pixels[at].permute(1, 2, 0).squeeze(2).numpy())


def thinned(entries: list[Entry], most: int = 2000) -> list[Entry]:
    """So many of the images, spread evenly; says so where there are more."""
    if len(entries) <= most:
        return entries
    log.info("%d of the %d images are drawn, spread evenly", most, len(entries))
    return [entries[at * len(entries) // most] for at in range(most)]


def folders_of(entries: Iterable[Entry]) -> list[str]:
    """The names of the folders that images lie in."""
    return sorted({PurePosixPath(entry.path).parent.name for entry in entries})


def batches(
    entries: Sequence[Entry], model: Model, faults: list[Unreadable]
) -> Iterator[tuple[list[Entry], Tensor]]:
    """Images as a model takes them, uint8 `(N, *model.pixels)`, some at a time.

    No more of them are in memory than those.

    Args:
        faults: takes in the files that cannot be read.
    """
    size = min(AT_ONCE, part_size(model.pixels))
    with ThreadPoolExecutor() as pool:
        for start in range(0, len(entries), size):
            some = entries[start : start + size]
            read = zip(some, pool.map(partial(_read, model), some), strict=True)
            kept = []
            for entry, pixels in read:
                if isinstance(pixels, str):
                    faults.append(Unreadable(path=entry.path, why=pixels))
                else:
                    kept.append((entry, pixels))
            if kept:
                yield [entry for entry, _ in kept], torch.cat([pixels for _, pixels in kept])


def _read(model: Model, entry: Entry) -> Tensor | str:
    try:
        with entry.open() as image:
            return model.read(image)
    except READ_ERRORS as error:
        return why(error)


def say_faults(faults: Sequence[Unreadable], entries: Sequence[Entry]) -> None:
    """Say which files could not be read.

    Raises:
        UsageError: none of them could.
    """
    named = "".join(f"\n  {one_line(fault.path)}: {fault.why}" for fault in faults)
    if faults and len(faults) == len(entries):
        which = "it cannot" if len(faults) == 1 else f"none of the {len(faults)} files can"
        raise UsageError(f"{which} be read as an image:{named}")
    if faults:
        log.warning("%d of %d files cannot be read:%s", len(faults), len(entries), named)

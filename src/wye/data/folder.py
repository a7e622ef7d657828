"""A user's own images: a folder, a table or arrays, looked at first and then read."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from wye.data.arrays import list_arrays
from wye.data.examine import examine, glance, with_test, with_validation, without_copies
from wye.data.folder_names import PARTS, TEST, TRAIN, UNLABELLED, VALIDATION, part_of
from wye.data.hub import is_saved, list_dataset
from wye.data.images import DataSet, Images
from wye.data.inspection import Inspection
from wye.data.lines import some_files
from wye.data.listing import ARRAYS, TABLES, Entry, Listing, list_folder
from wye.data.membership import as_in_run
from wye.data.reading import Fit, Reading, as_pixels, read_image, suffixes
from wye.data.storage import (
    Pixels,
    gathered,
    in_gb,
    in_memory,
    in_parts,
    memory_share,
    part_size,
    stored,
    taken,
)
from wye.data.tables import check_same_classes, list_table, table_beside
from wye.errors import UsageError
from wye.files import expanded
from wye.recipe.parts import HUB
from wye.wording import one_line

__all__ = ["Own", "inspect_own", "is_image", "is_own", "load_folder", "load_own", "read_image"]

SIZE = 32

log = logging.getLogger("wye")


@dataclass(frozen=True, kw_only=True)
class Own:
    """What a run makes of a person's own images.

    Attributes:
        size: side of the images; the source's own, or 32, if not given.
        fit: see `Reading`.
        duplicates: `keep` or `drop` further files of one picture.
        validation: fraction of the training images to hold out, where there is no such part.
        before: the images of a run: their parts are kept, and images that it didn't have left out.
        seed: of the parts that are drawn.
        strict: refuse files that cannot be read instead of leaving them out.
    """

    size: int | None = None
    fit: Fit = "crop"
    duplicates: Literal["keep", "drop"] = "keep"
    validation: float = 0.0
    before: Inspection | None = None
    seed: int = 0
    strict: bool = False


def is_own(name: str) -> bool:
    """Whether a name is that of a folder, table or array file that is there, or `hf:NAME`."""
    path = expanded(name)
    if name.startswith(HUB):
        return True
    return path.is_dir() or (path.suffix.lower() in (*TABLES, *ARRAYS) and path.is_file())


def listing_of(path: str | Path) -> Listing:
    """The images of a folder, table, array file or data set `hf:NAME`, not yet read.

    Raises:
        UsageError: there is no such thing, or it holds no images by class.
    """
    if str(path).startswith(HUB):
        return list_dataset(str(path))
    root = expanded(path).resolve()
    if root.suffix.lower() in TABLES and root.is_file():
        return list_table(root)
    if root.suffix.lower() in ARRAYS and root.is_file():
        return list_arrays(root)
    if not root.is_dir():
        raise UsageError(f"no folder is called {str(path)!r}")
    if is_saved(root):
        return list_dataset(root)
    try:
        found = list_folder(root)
    except UsageError as error:
        if (table := table_beside(root)) is None:
            beside = [f"did you mean {path}?" for path in _offered(root)[:3]]
            raise UsageError("; ".join([str(error), *beside])) from None
        table.notes.append(f"the folder has no classes of its own: {table.root.name} says them")
        return table
    check_same_classes(root, found)
    return found


def _offered(folder: Path) -> list[Path]:
    """The tables and arrays in a folder that a person may have meant, the likeliest first.

    Not those that hold places for answers, as `sample_submission.csv` and `test.csv` do.
    """
    own = (*TABLES, *ARRAYS)
    found = sorted(p for p in folder.iterdir() if p.suffix.lower() in own and p.is_file())
    likely = [p for p in found if "submission" not in p.stem.casefold()]
    likely = [p for p in likely if p.suffix.lower() in ARRAYS or part_of(p.stem) != TEST]
    return sorted(likely, key=lambda p: (not _names_images(p), part_of(p.stem) != TRAIN))


def _names_images(path: Path) -> bool:
    """Whether a file holds images, or is a table of some that are there."""
    try:
        return path.suffix.lower() in ARRAYS or bool(list_table(path).entries)
    except UsageError:
        return False


def inspect_own(path: str | Path, own: Own = Own()) -> Inspection:
    """What a folder, table or array file holds, with all parts; see `examine`.

    Raises:
        UsageError: it holds no images by class, too few, or not those of `own.before`.
    """
    return _divided(examine(listing_of(path))[0], own)


def glance_at(path: str | Path, own: Own = Own()) -> Inspection:
    """About the same in a moment: enough to choose settings by; see `examine.glance`.

    Raises:
        UsageError: as `inspect_own`.
    """
    return _divided(glance(listing_of(path)), own)


def _divided(found: Inspection, own: Own) -> Inspection:
    if own.strict and found.unreadable:
        named = "".join(f"\n  {one_line(file.path)}: {file.why}" for file in found.unreadable)
        raise UsageError(
            f"{found.root}: {some_files(len(found.unreadable))} cannot be read:{named}"
        )
    if own.before is not None:
        return as_in_run(found, own.before)
    if own.duplicates == "drop":
        found = without_copies(found)
    return with_validation(with_test(found, own.seed), own.validation, own.seed)


def load_folder(
    path: str | Path, size: int = SIZE, *, generator: torch.Generator | None = None
) -> DataSet:
    """The images of a folder, `size` x `size`; see `load_own`.

    Args:
        generator: draws the images that are held out; by default one with seed 0.
    """
    if size < 1:
        raise UsageError(f"images cannot be brought to {size} x {size} pixels")
    return load_own(path, Own(size=size, seed=seed_from(generator)))


def seed_from(generator: torch.Generator | None) -> int:
    """A seed that a generator draws; 0 without one."""
    if generator is None:
        return 0
    return int(torch.randint(2**62, (1,), generator=generator))


def load_own(path: str | Path, own: Own) -> DataSet:
    """The images of a folder, table or array file as a data set.

    What was found is said in the log. Images are brought to one size by `reading.as_pixels`; if all
    are grey, one channel is kept. Pixels that take more than the share of memory set for them stay
    in a file.

    Raises:
        UsageError: it holds no images by class, too few, or not those of `own.before`.
        MachineError: there is neither the memory for the pixels nor a place for a file of them.
    """
    listing = listing_of(path)
    size = own.size or listing.size or SIZE
    # Twice, because what is kept of each image and what is put together are there at one time.
    small = 2 * len(listing.entries) * 3 * size**2 <= memory_share()
    examined, pixels_of = examine(listing, Reading(size, own.fit) if small else None)
    found = _divided(examined, own)
    if own.before is None:
        log.info("%s", found.summary())
        for warning in found.warnings():
            log.warning("%s: %s", found.name, one_line(warning))
    values = found.values
    reading = Reading(
        size=size,
        fit=own.fit,
        low=values.low,
        high=values.high_end,
        ground=values.ground,
    )
    entries = {entry.path: entry for entry in listing.entries}
    kept = [entries[file.path] for file in found.files]
    pixels = _pixels(kept, reading, found, pixels_of)
    places = {label: place for place, label in enumerate(found.classes)}
    labels = torch.tensor([places.get(file.label, -1) for file in found.files])
    ends = [0, *itertools.accumulate(len(found.of(part)) for part in PARTS)]
    parts = {
        part: Images(taken(pixels, slice(*pair)), labels[slice(*pair)])
        for part, pair in zip(PARTS, itertools.pairwise(ends), strict=True)
        if pair[0] < pair[1]
    }
    return DataSet(
        found.name,
        found.classes,
        parts[TRAIN],
        parts[TEST],
        unlabelled=parts.get(UNLABELLED),
        validation=parts.get(VALIDATION),
        inspection=found,
        reading=reading,
    )


def is_image(file: Path) -> bool:
    """Whether a path is a file that is named like an image and not hidden."""
    named = file.suffix.lower() in suffixes() and not file.name.startswith(".")
    return named and file.is_file()


def _read(reading: Reading, known: dict[str, Tensor]) -> Callable[[Entry], Tensor]:
    def read(entry: Entry) -> Tensor:
        if (pixels := known.pop(entry.path, None)) is not None:
            return pixels
        with entry.open() as image:
            return as_pixels(image, reading)

    return read


def _pixels(
    entries: list[Entry], reading: Reading, found: Inspection, known: dict[str, Tensor]
) -> Pixels:
    """The images in order, all in memory or all in one file; `known` are some, by path."""
    shape = (3, reading.size, reading.size)
    needed = len(entries) * 3 * reading.size**2
    grey = True

    def read() -> Iterator[Tensor]:
        nonlocal grey
        at_once = part_size(shape)
        with ThreadPoolExecutor() as pool:
            for start in range(0, len(entries), at_once):
                some = entries[start : start + at_once]
                pixels = torch.stack(list(pool.map(_read(reading, known), some)))
                grey = grey and bool((pixels[:, :1] == pixels).all())
                yield pixels

    pixels: Pixels
    if needed <= memory_share():
        pixels = in_memory(read(), len(entries))
    else:
        log.info(
            "%s: %s of pixels stay in a file, because that is more than the %s of memory set for"
            " them (WYE_MEMORY)",
            found.name,
            in_gb(needed),
            in_gb(memory_share()),
        )
        pixels = stored(read())
    if grey:
        one = (part[:, :1] for part in in_parts(pixels))
        pixels = gathered(one, len(entries), like=pixels)
    return pixels

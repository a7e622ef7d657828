"""Images and labels in a `.npz` or `.npy` file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wye.data.folder_names import PARTS, TEST, TRAIN, UNLABELLED, VALIDATION, normal, part_of
from wye.data.inspection import LeftOut
from wye.data.listing import Entry, Listing
from wye.data.reading import finite_range, range_of, to_levels
from wye.errors import UsageError

IMAGES = ("x", "images", "image", "imgs", "data", "pixels", "features", "inputs", "arr_0")
LABELS = ("y", "labels", "label", "targets", "target", "classes", "arr_1")
NAMES = ("classes", "class_names", "names", "label_names", "categories")
WANTED = "x and y, or x_train, y_train, x_test and y_test (images of (N, H, W) or (N, H, W, C))"

Array = NDArray[Any]


def list_arrays(path: Path, labelled: bool = True) -> Listing:
    """The images of an array file.

    A `.npz` holds `x` and `y`, with `_train`, `_validation` or `_test` before or after; images
    without labels are unlabelled. A `.npy` of images has its labels beside it, in `y.npy`,
    `labels.npy`, or the same name with `_labels` or with y for x, and where it is of one part the
    other parts too. Nothing is unpickled.

    Args:
        labelled: whether there must be labels for training.

    Raises:
        UsageError: the file holds no such arrays.
    """
    arrays, notes = _arrays(path)
    images, labels, said = _paired(path, arrays, labelled)
    notes += said
    names = next((arrays[key] for key in NAMES if key in arrays and arrays[key].ndim == 1), None)
    levels, said = _levels(path, arrays, [key for key, _ in images])
    notes += said
    entries: list[Entry] = []
    left_out: list[LeftOut] = []
    for key, part in images:
        y = labels.get(part)
        if y is not None and len(y) != len(levels[key]):
            raise UsageError(
                f"{path}: {key} holds {len(levels[key])} images, and there are {len(y)} labels"
            )
        of = ["" for _ in levels[key]] if y is None else [_label(value, names) for value in y]
        if labelled and part in (TEST, VALIDATION) and (count := of.count("")):
            why = f"images of the {part} part without a label"
            left_out.append(LeftOut(why=why, count=count, examples=(key,)))
        for place, (pixels, label) in enumerate(zip(levels[key], of, strict=True)):
            if labelled and part in (TEST, VALIDATION) and not label:
                continue
            own = part if label or not labelled else UNLABELLED
            opener = partial(Image.fromarray, pixels)
            entries.append(Entry(f"{key}/{place}", own, label, opener))
    trained = {entry.label for entry in entries if entry.part == TRAIN}
    if labelled and not trained:
        raise UsageError(f"{path} holds no labels for training; wanted: {WANTED}")
    if labelled and (unknown := {entry.label for entry in entries if entry.label} - trained):
        raise UsageError(f"{path}: {', '.join(sorted(unknown)[:5])} are no classes of train")
    shape = levels[images[0][0]].shape
    size = shape[1] if shape[1] == shape[2] and 4 <= shape[1] <= 1024 else None
    return Listing(path, f"arrays {', '.join(arrays)}", entries, left_out, notes, size)


def _arrays(path: Path) -> tuple[dict[str, Array], list[str]]:
    """The arrays by name, and which other files they are of."""
    try:
        with path.open("rb") as file:
            head = file.read(6)
        if not head.startswith((b"PK", b"\x93NUMPY")):
            raise ValueError(f"it is no {path.suffix.lower()} file, whatever its name says")
        if path.suffix.lower() == ".npy":
            beside = _beside(path)
            found = {"x": np.load(path, mmap_mode="r", allow_pickle=False)}
            if any(_part_of(p) for p in beside):
                found = {path.stem: found["x"]}
            for other in beside:
                key = other.stem if path.stem in found else "y"
                found[key] = np.load(other, allow_pickle=False)
            names = ", ".join(p.name for p in beside)
            return found, [f"with it from beside it: {names}"] if beside else []
        with np.load(path, allow_pickle=False) as arrays:
            return {key: arrays[key] for key in arrays.files}, []
    except (OSError, ValueError, EOFError, BadZipFile, MemoryError, KeyError) as error:
        reason = " ".join(str(error).split())[:120]
        if "pickle" in reason or "Python objects" in reason:
            reason = "it holds Python objects, which are not read"
        raise UsageError(f"{path} cannot be read as arrays: {reason}") from None


def _beside(path: Path) -> list[Path]:
    """The files with the labels, and the other parts where this one is called after a part."""
    stem = path.stem
    if _part_of(path):
        others = sorted(p for p in path.parent.glob("*.npy") if p != path and _part_of(p))
        return [p for p in others if _words(p.stem)[1] in (*IMAGES, *LABELS)]
    names = ("y", "labels", f"{stem}_labels", f"{stem}_y", re.sub("^[xX]", "y", stem))
    paths = [path.with_name(f"{name}.npy") for name in names if name != stem]
    return [p for p in paths if p.is_file()][:1]


def _part_of(path: Path) -> str | None:
    return _words(path.stem)[0]


def _words(key: str) -> tuple[str | None, str]:
    """The part that an array's name says, and what is left of the name."""
    words = [word for word in re.split(r"[\W_]+", key.casefold()) if word]
    if "".join(words) in ("xtrain", "ytrain", "xtest", "ytest", "xval", "yval"):
        words = ["".join(words)[0], "".join(words)[1:]]
    part = next((part for word in words if (part := part_of(word))), None)
    return part, "_".join(word for word in words if not part_of(word)) or "x"


def _paired(
    path: Path, arrays: Mapping[str, Array], labelled: bool
) -> tuple[list[tuple[str, str]], dict[str, Array], list[str]]:
    """Keys of the images with their parts, the labels of each part, and what isn't used."""
    images: list[tuple[str, str]] = []
    labels: dict[str, Array] = {}
    unused: list[str] = []
    notes: list[str] = []
    found = {key: (found or TRAIN, word) for key in arrays for found, word in [_words(key)]}
    others = {part for part, word in found.values() if word in LABELS and word not in NAMES}
    for key, array in arrays.items():
        part, word = found[key]
        if array.ndim in (3, 4) and (word in IMAGES or array.ndim == 4):
            images.append((key, part))
        elif word in NAMES and (word not in LABELS or part in others):
            continue  # the names of the classes
        elif word in LABELS and array.ndim in (1, 2) and array.shape[0] != 0:
            labels[part] = _one_each(path, key, array, notes)
        else:
            unused.append(key)
    doubled = [p for p in PARTS if sum(part == p for _, part in images) > 1]
    if not images or doubled:
        shapes = ", ".join(f"{key} {array.shape}" for key, array in arrays.items())
        raise UsageError(f"{path} holds {shapes[:200] or 'nothing'}; wanted: {WANTED}")
    images.sort(key=lambda pair: PARTS.index(pair[1]))
    if unused:
        notes.append(f"{', '.join(unused)} in the file: not used")
    if labelled and not labels:
        raise UsageError(
            f"{path} holds images without labels; wanted: {WANTED}"
            + (f", or y.npy beside {path.name}" if path.suffix.lower() == ".npy" else "")
        )
    return images, labels, notes


def _one_each(path: Path, key: str, array: Array, notes: list[str]) -> Array:
    """Labels `(N,)`, of a column or of rows with a single 1."""
    if array.ndim == 1 or array.shape[1] == 1:
        return array.reshape(-1)
    if not (np.isin(array, (0, 1)).all() and (array.sum(1) == 1).all()):
        raise UsageError(
            f"{path}: {key} is {array.shape}; wanted: one label for each image, or rows of 0 with"
            " a single 1"
        )
    notes.append(f"{key}: the class is where each row has its 1")
    return np.asarray(array.argmax(1))


def _levels(
    path: Path, arrays: Mapping[str, Array], keys: list[str]
) -> tuple[dict[str, Array], list[str]]:
    """The images as uint8 `(N, H, W)` or `(N, H, W, 3 or 4)`, and what was done to them."""
    found: dict[str, Array] = {}
    notes: list[str] = []
    for key in keys:
        array = arrays[key]
        if array.dtype.kind not in "buif" or not array.size:
            raise UsageError(f"{path}: {key} holds no numbers")
        if array.ndim == 3 and array.shape[2] in (3, 4) and min(array.shape[:2]) > 4:
            array = array[None]
            notes.append(f"{key} is read as one image of (H, W, C)")
        if array.ndim == 4 and array.shape[3] not in (1, 2, 3, 4) and array.shape[1] in (1, 3, 4):
            array = np.moveaxis(array, 1, 3)
            notes.append(f"{key} is read as (N, C, H, W)")
        if array.ndim == 4 and array.shape[3] not in (1, 3, 4):
            raise UsageError(f"{path}: {key} is {arrays[key].shape}; wanted: {WANTED}")
        found[key] = array[..., 0] if array.ndim == 4 and array.shape[3] == 1 else array
    if all(array.dtype == np.uint8 for array in found.values()):
        return found, notes
    ranges = [finite_range(array) for array in found.values()]
    whole = all(array.dtype.kind in "bui" for array in found.values())
    least, most = min(low for low, _ in ranges), max(high for _, high in ranges)
    low, high = range_of(least, most, whole)
    notes.append(
        f"values of {least:g} to {most:g}: {low:g} is black and {high:g} white for all images"
    )
    if any(a.dtype.kind == "f" and not np.isfinite(a).all() for a in found.values()):
        notes.append("NaN and infinite values become black")
    return {key: to_levels(array, low, high) for key, array in found.items()}, notes


def _label(value: Any, names: Array | None) -> str:
    """A label as the name of a class; '' for one that is missing."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, np.floating | float):
        if not np.isfinite(value):
            return ""
        value = int(value) if value == int(value) else value
    if isinstance(value, np.integer | int) and not isinstance(value, bool | np.bool_):
        if value < 0:
            return ""
        if names is not None and value < len(names):
            return normal(str(names[value]))
    return normal(str(value).strip())

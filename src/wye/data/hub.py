"""A data set of the package `datasets`: a folder that it saved, or `hf:` and a name."""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

from wye.data.folder_names import PARTS, TRAIN, UNLABELLED, normal, part_of
from wye.data.listing import Entry, Listing
from wye.data.opening import open_bounded
from wye.data.reading import formats
from wye.errors import UsageError
from wye.recipe.parts import HUB


def is_saved(folder: Path) -> bool:
    """Whether `datasets` saved a data set in a folder."""
    return any((folder / name).is_file() for name in ("dataset_dict.json", "state.json"))


def list_dataset(source: str | Path) -> Listing:
    """The images of a saved folder, or of a data set called `hf:NAME`, by its splits.

    Raises:
        UsageError: `datasets` is not installed or has no such data set, or it holds no images.
    """
    try:
        import datasets  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        raise UsageError(
            f"{source} is read by the package datasets: pip install datasets"
        ) from None
    name = str(source)
    try:
        if name.startswith(HUB):
            loaded = datasets.load_dataset(name.removeprefix(HUB))
        else:
            loaded = datasets.load_from_disk(name)
    except Exception as error:  # the package's own kinds, and those of what it downloads with
        reason = " ".join(str(error).split())[:200]
        raise UsageError(f"{name} cannot be had from the package datasets: {reason}") from None
    splits: Mapping[str, Any] = loaded if isinstance(loaded, Mapping) else {TRAIN: loaded}
    entries: list[Entry] = []
    for key, split in splits.items():
        if (part := part_of(key)) is None:
            raise UsageError(f"{name}: its split {key!r} is none of {', '.join(PARTS)}")
        column, label = _columns(name, split.features)
        names = getattr(split.features[label], "names", None) if label else None
        labels = split[label] if label else [None] * len(split)
        stored = split.cast_column(column, datasets.Image(decode=False))
        for place, value in enumerate(labels):
            of = _class(value, names)
            opener = partial(_opened, stored, place, column)
            entries.append(Entry(f"{key}/{place}", part if of else UNLABELLED, of, opener))
    root = Path(name) if name.startswith(HUB) else Path(name).resolve()
    return Listing(root, f"a data set of {', '.join(splits)}", entries)


def _columns(name: str, features: Mapping[str, Any]) -> tuple[str, str | None]:
    """Names of the columns of images and of labels."""
    images = [key for key, kind in features.items() if type(kind).__name__ == "Image"]
    labels = [key for key, kind in features.items() if hasattr(kind, "names")]
    labels += [key for key in ("label", "labels", "class", "target") if key in features]
    if not images:
        raise UsageError(f"{name} has no column of images, only {', '.join(features)}")
    return images[0], labels[0] if labels else None


def _class(value: Any, names: list[str] | None) -> str:
    if value is None or (isinstance(value, int) and value < 0):
        return ""
    return normal(str(names[value] if names else value))


def _opened(split: Any, place: int, column: str) -> Image.Image:
    """An image as the data set stores it: an encoded file, or the path of one."""
    stored = split[place][column]
    if stored is None:
        raise ValueError("there is no image")
    content = stored.get("bytes")
    return open_bounded(
        io.BytesIO(content) if content is not None else Path(stored["path"]), formats()
    )

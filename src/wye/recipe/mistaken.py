"""What a person probably meant by a path that is there and is nothing to train on."""

from __future__ import annotations

import os
from pathlib import Path

from wye.recipe.parts import OWN_FILES, PICTURES

ARCHIVES = (
    *(".zip", ".tar", ".tgz", ".tbz", ".tbz2", ".txz", ".gz", ".bz2", ".xz", ".7z", ".rar"),
    *(".zst", ".lz4"),
)
SHEETS = (".xlsx", ".xls", ".ods", ".parquet", ".feather")


def meant_by(name: str) -> str | None:
    """What would be right in place of a file that holds no images by class; None of no file."""
    # os.path answers False where pathlib raises: names that are too long, for instance.
    if not os.path.isfile(os.path.expanduser(name)):
        return None
    path = Path(name)
    suffix = path.suffix.lower()
    if suffix in OWN_FILES:
        return None
    if suffix in ARCHIVES:
        return f"{name} is an archive: unpack it and give its folder"
    if suffix in PICTURES:
        return f"{name} is one image: give its folder, or the one above with a folder per class"
    if suffix in SHEETS:
        return f"{name} is a table of another kind: save it as .csv, with path and label"
    known = ", ".join(OWN_FILES)
    return f"{name} is a file that holds no images: give a folder of images by class, or {known}"


def folder_meant(argument: str) -> str | None:
    """The folder that a pattern stood for, of which the shell made this path; None of no path."""
    if not os.path.exists(os.path.expanduser(argument)):
        return None
    return os.path.dirname(argument.rstrip("/\\")) or "."

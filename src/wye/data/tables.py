"""A CSV, TSV or JSONL file of image paths and labels."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from wye.data.inspection import LeftOut
from wye.data.layout import TEST, TRAIN, UNLABELLED, VALIDATION, normal, part_of
from wye.data.listing import TABLES, Entry, Listing
from wye.data.reading import open_image, suffixes
from wye.errors import UsageError

PATH = (
    *("path", "filepath", "file_path", "filename", "file_name", "file", "image", "image_path"),
    *("img", "img_path", "image_name", "image_id", "imageid", "image_file", "images", "id"),
)
LABEL = (
    *("label", "labels", "class", "class_name", "classname", "category", "target", "y", "breed"),
    *("species", "label_name", "diagnosis", "dx", "tag", "name", "type"),
)
SPLIT = ("split", "part", "set", "subset", "partition", "usage", "fold")
LARGEST = 200_000_000
"""Bytes of the largest table that is read."""

Row = dict[str, str]


def list_table(path: Path) -> Listing:
    """The images that a table names, with their labels and, where it says so, their parts.

    Columns are known by their names (path or filename; label or class; split); a table of two
    columns without such names is path and label. Paths count from the table's folder, or from the
    folder below it where the images are. An empty label is none.

    Raises:
        UsageError: the file is no such table, or none of its images is there.
    """
    rows, names = _rows(path)
    where, label, split = _columns(path, names, rows)
    files = [row[where].strip().replace("\\", "/") for row in rows]
    labels = [normal(row.get(label, "").strip()) for row in rows]
    parts = [_part(path, row.get(split, ""), split) for row in rows] if split else []
    base = _base(path, [file for file in files if file])
    entries: dict[str, Entry] = {}
    missing: list[str] = []
    repeated = 0
    for place, (file, name) in enumerate(zip(files, labels, strict=True)):
        if not file:
            continue
        image = _resolved(base, file)
        if image is None:
            missing.append(file)
            continue
        part = parts[place] if parts else TRAIN
        part = part if name else UNLABELLED
        shown = file
        if file in entries and (entries[file].label, entries[file].part) == (name, part):
            repeated += 1
            continue
        while shown in entries:
            shown += "#"
        entries[shown] = Entry(shown, part, name, partial(open_image, image))
    if not entries:
        raise UsageError(
            f"{path}: none of its {len(files)} images is there; the first would be"
            f" {path.parent / files[0] if files else path.parent}"
        )
    notes = [f"column {where!r} is taken as the path, {label!r} as the label"]
    if base != path.parent:
        notes.append(f"the images lie in {base.relative_to(path.parent)}")
    if repeated:
        notes.append(f"{repeated} lines say again what a line before said")
    left_out = []
    if missing:
        why = "lines whose image is not there"
        left_out.append(LeftOut(why=why, count=len(missing), examples=tuple(missing[:3])))
    trained = {e.label for e in entries.values() if e.part == TRAIN}
    if not trained:
        raise UsageError(f"{path}: no line has a label for training; column {label!r} was read")
    unknown = sorted({e.label for e in entries.values() if e.part != UNLABELLED} - trained)
    if unknown:
        raise UsageError(f"{path}: {', '.join(unknown[:5])} are no classes of its training lines")
    return Listing(path, "a table of path and label", list(entries.values()), left_out, notes)


def table_beside(folder: Path) -> Path | None:
    """The one table in a folder that names images in it; None if there is none, or several."""
    fitting = []
    for path in sorted(p for p in folder.iterdir() if p.suffix.lower() in TABLES and p.is_file()):
        try:
            list_table(path)
        except UsageError:
            continue
        fitting.append(path)
    return fitting[0] if len(fitting) == 1 else None


def _rows(path: Path) -> tuple[list[Row], list[str]]:
    try:
        if path.stat().st_size > LARGEST:
            raise UsageError(f"{path} is larger than 200 MB, which no list of images is")
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path} is not UTF-8 text (byte {error.start}): save it as that"
        ) from None
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    if "\0" in text:
        raise UsageError(f"{path} is not UTF-8 text: save it as that")
    rows = _of_json(path, text) if "json" in path.suffix.lower() else _of_csv(path, text)
    if not rows:
        raise UsageError(f"{path} holds no lines of a path and a label")
    return rows, list(dict.fromkeys(name for row in rows[:100] for name in row))


def _of_json(path: Path, text: str) -> list[Row]:
    rows = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            raise UsageError(f"{path}, line {number}: it is no JSON") from None
        if not isinstance(row, dict):
            raise UsageError(f'{path}, line {number}: it should be like {{"path": …, "label": …}}')
        rows.append({str(key): "" if v is None else str(v) for key, v in row.items()})
    return rows


def _of_csv(path: Path, text: str) -> list[Row]:
    first = text.partition("\n")[0]
    delimiter = max("\t;,|", key=first.count) if path.suffix.lower() != ".tsv" else "\t"
    try:
        lines = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter) if any(row)]
    except csv.Error as error:
        raise UsageError(f"{path} is no table: {error}") from None
    if not lines or len(lines[0]) < 2:
        raise UsageError(f"{path} should have two columns or more, a path and a label")
    names = [name.strip() for name in lines[0]]
    has_names = Path(names[0]).suffix.lower() not in suffixes()
    if not has_names:
        names = [f"column {place}" for place in range(1, len(names) + 1)]
    return [dict(zip(names, row, strict=False)) for row in lines[has_names:]]


def _columns(path: Path, names: list[str], rows: list[Row]) -> tuple[str, str, str | None]:
    """Names of the columns of path, label and part."""

    def named(known: Iterable[str], besides: tuple[str | None, ...] = ()) -> str | None:
        folded = {n.strip().casefold().replace(" ", "_"): n for n in names if n not in besides}
        return next((folded[name] for name in known if name in folded), None)

    def holds_images(name: str) -> bool:
        return Path(rows[0].get(name, "")).suffix.lower() in suffixes()

    where = next((name for name in names if holds_images(name)), None) or named(PATH)
    split = named(SPLIT, (where,))
    label = named(LABEL, (where, split))
    rest = [name for name in names if name not in (where, split)]
    if where is None and len(names) == 2:
        where, rest = names[0], names[1:]
        label = rest[0]
    if label is None and len(rest) == 1:
        label = rest[0]
    if where is None or label is None:
        raise UsageError(
            f"{path}: which of its columns ({', '.join(names[:8])}) are path and label? Name them"
            " path and label"
        )
    return where, label, split


def _part(path: Path, text: str, column: str | None) -> str:
    part = part_of(text) if text.strip() else TRAIN
    if part not in (TRAIN, VALIDATION, TEST, UNLABELLED):
        raise UsageError(
            f"{path}: {text!r} in column {column!r} is no part; known: train, validation, test"
        )
    return part


def _base(path: Path, files: list[str]) -> Path:
    """The folder that paths count from: the table's own, or the one below that has most of them."""
    some = files[:: max(len(files) // 200, 1)]

    def there(folder: Path) -> int:
        return sum(_resolved(folder, file) is not None for file in some)

    best, most = path.parent, there(path.parent)
    if most < len(some):
        below = [p for p in sorted(path.parent.iterdir()) if p.is_dir() and p.name[0] != "."]
        below += [q for p in below for q in sorted(p.iterdir()) if q.is_dir() and q.name[0] != "."]
        for folder in below[:2000]:
            if (count := there(folder)) > most:
                best, most = folder, count
    return best


def _resolved(base: Path, file: str) -> Path | None:
    """The file of a path, with a suffix where the table leaves that out."""
    try:
        path = base / file
        if path.is_file():
            return path
        if path.suffix.lower() not in suffixes():
            named = (path.with_name(path.name + suffix) for suffix in suffixes())
            return next((each for each in named if each.is_file()), None)
    except (OSError, ValueError):
        pass
    return None

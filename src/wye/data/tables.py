"""A table of image paths and labels: a CSV, TSV, JSON or JSONL file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from wye.data.folder_names import TEST, TRAIN, UNLABELLED, VALIDATION, normal, part_of
from wye.data.inspection import LeftOut
from wye.data.listing import TABLES, Entry, Listing
from wye.data.reading import open_image, suffixes
from wye.data.rows import Nested, Row, Rows, read_rows
from wye.data.whereabouts import below, resolved, whereabouts
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
LOOKED_INTO = 50
"""Folders in which a name of the first line may be an image's."""
MISSING = ("", "nan")
"""What stands where a label is missing; pandas writes the second."""


def list_table(path: Path, labelled: bool = True) -> Listing:
    """The images that a table names, with their labels and, where it says so, their parts.

    Columns are known by their names (path or filename; label or class; split); a table of two
    columns without such names is path and label, one with a column of 0 and 1 for each class has
    its labels there. Paths count from the table's folder, or from folders below it where the images
    are. An empty label is none.

    Args:
        labelled: whether there must be labels for training.

    Raises:
        UsageError: the file is no such table, or none of its images is there.
    """
    found = read_rows(path, partial(_is_image, path))
    columns = _columns(path, found, labelled)
    files = [_path(row, columns) for row in found.rows]
    places = whereabouts(path, [file for file in files if file])
    notes = [columns.said, *places.notes]
    labels = _labels(path, found, columns, notes)
    parts = _parts(path, found.rows, columns, notes)
    entries: dict[str, Entry] = {}
    left: dict[str, list[str]] = defaultdict(list)
    left["lines with more values than columns"] = found.too_long
    repeated = 0
    for file, name, part, number in zip(files, labels, parts, found.numbers, strict=True):
        image = places.find(file) if file else None
        if image is None:
            why = "lines whose image is not there" if file else "lines without a path"
            left[why].append(file or f"line {number}")
            continue
        if labelled and not name and part in (TEST, VALIDATION):
            left[f"images of the {part} part without a label"].append(file)
            continue
        part = part if name or not labelled else UNLABELLED
        shown = file
        if file in entries and (entries[file].label, entries[file].part) == (name, part):
            repeated += 1
            continue
        while shown in entries:
            shown += "#"
        entries[shown] = Entry(shown, part, name, partial(open_image, image), image)
    if not entries:
        raise UsageError(
            f"{path}: none of its {len(files)} images is there; the first would be"
            f" {path.parent / files[0] if files else path.parent}"
        )
    if repeated:
        notes.append(f"{repeated} lines say again what a line before said")
    left_out = [
        LeftOut(why=why, count=len(which), examples=tuple(which[:3]))
        for why, which in left.items()
        if which
    ]
    if labelled:
        _check_classes(path, entries.values(), columns)
    return Listing(path, "a table of path and label", list(entries.values()), left_out, notes)


def table_beside(folder: Path) -> Listing | None:
    """The one table in a folder that names images in it; None if there is none, or several."""
    fitting = []
    for path in sorted(p for p in folder.iterdir() if p.suffix.lower() in TABLES and p.is_file()):
        try:
            fitting.append(list_table(path))
        except UsageError:
            continue
    return fitting[0] if len(fitting) == 1 else None


def check_same_classes(root: Path, found: Listing) -> None:
    """Refuse a folder whose own table divides most of its images otherwise than its folders do.

    Raises:
        UsageError: with both ways out.
    """
    if (table := table_beside(root)) is None:
        return
    said = {entry.file: entry.label for entry in table.entries if entry.label}
    pairs = {
        (entry.label, said[file])
        for entry in found.entries
        if entry.label and (file := root / entry.path) in said
    }
    known = sum(root / entry.path in said for entry in found.entries)
    by_folder, by_table = (len({pair[side] for pair in pairs}) for side in (0, 1))
    if 2 * known < len(found.entries) or len(pairs) == by_folder == by_table:
        return
    classes = sorted({entry.label for entry in found.entries if entry.label})
    raise UsageError(
        f"{root}: {table.root.name} says other classes than the folders"
        f" ({', '.join(classes[:3])}); give {table.root} itself, or take it out of the folder"
        " if the folders are right"
    )


@dataclass(frozen=True)
class _Columns:
    """Names of the columns.

    Attributes:
        classes: columns of 0 and 1, one for each class.
    """

    where: str
    label: str | None
    split: str | None
    classes: tuple[str, ...] = ()

    @property
    def said(self) -> str:
        if self.classes:
            return f"column {self.where!r} is taken as the path, and one column for each class"
        if self.label is None:
            return f"column {self.where!r} is taken as the path, and none as the label"
        return f"column {self.where!r} is taken as the path, {self.label!r} as the label"


def _columns(path: Path, found: Rows, labelled: bool) -> _Columns:
    names, rows = found.names, found.rows

    def named(known: Iterable[str], besides: tuple[str | None, ...] = ()) -> list[str]:
        folded = {n.strip().casefold().replace(" ", "_"): n for n in names if n not in besides}
        return [folded[name] for name in known if name in folded]

    looking = [name for name in names if _has_suffix(rows[0].get(name, ""))]
    candidates = list(dict.fromkeys([*named(PATH), *looking]))
    # Of several columns with images (masks, addresses) the one whose images are here.
    there = (name for name in candidates if _some_are_there(path, [r.get(name, "") for r in rows]))
    where = next(there, None) or next(iter(looking or candidates), None)
    split = next(iter(named(SPLIT, (where,))), None)
    label = next(iter(named(LABEL, (where, split))), None)
    rest = [name for name in names if name not in (where, split)]
    if where is None and len(names) == 2:
        where, rest = names[0], names[1:]
        label = rest[0]
    if where is None and len(names) == 1 and not labelled:
        where = names[0]
    if label is None and len(rest) == 1:
        label = rest[0]
    if where is not None and label is None and len(rest) > 1 and _one_hot(rows, rest):
        return _Columns(where, None, split, tuple(rest))
    if len(names) < 2 and labelled:
        raise UsageError(f"{path} should have two columns or more, a path and a label")
    if where is None or (label is None and labelled):
        raise UsageError(
            f"{path}: which of its columns ({', '.join(names[:8])}) are path and label? Name them"
            " path and label"
        )
    return _Columns(where, label, split)


def _path(row: Row, columns: _Columns) -> str:
    value = row.get(columns.where, "")
    return "" if isinstance(value, Nested) else value.strip().replace("\\", "/")


def _labels(path: Path, found: Rows, columns: _Columns, notes: list[str]) -> list[str]:
    if columns.classes:
        ones = [[n for n in columns.classes if _number(row.get(n)) == 1] for row in found.rows]
        return [normal(each[0].strip()) if each else "" for each in ones]
    if columns.label is None:
        return ["" for _ in found.rows]
    labels = []
    missing = 0
    for row, number in zip(found.rows, found.numbers, strict=True):
        label = row.get(columns.label, "")
        if isinstance(label, Nested) or "\n" in label:
            what = "a list or an object" if isinstance(label, Nested) else "several lines"
            raise UsageError(
                f"{path}, line {number}: {columns.label!r} holds {what} ({label[:30]!r}…); wanted:"
                " one class for each image"
            )
        label = label.strip()
        missing += label.casefold() == MISSING[1]
        labels.append("" if label.casefold() in MISSING else normal(label))
    if missing:
        notes.append(f"{missing} labels are {MISSING[1]}: that is none")
    numbers = [_number(label) for label in labels if label]
    whole = all(number is not None and number == int(number) for number in numbers)
    if whole and any("." in label for label in labels):
        labels = [str(int(float(label))) if label else "" for label in labels]
    return labels


def _parts(path: Path, rows: list[Row], columns: _Columns, notes: list[str]) -> list[str]:
    said = [row.get(columns.split, "").strip() for row in rows] if columns.split else []
    parts = [part_of(text) if text else TRAIN for text in said]
    unknown = [
        text
        for text, part in zip(said, parts, strict=True)
        if part not in (TRAIN, VALIDATION, TEST, UNLABELLED)
    ]
    named = [text for text in said if text]
    if not named or all(_number(text) is not None for text in named):
        if named:
            notes.append(f"column {columns.split!r} holds numbers, no parts: not used")
        return [TRAIN for _ in rows]
    if unknown:
        raise UsageError(
            f"{path}: {unknown[0]!r} in column {columns.split!r} is no part; known: train,"
            " validation, test"
        )
    return [part or TRAIN for part in parts]


def _check_classes(path: Path, entries: Iterable[Entry], columns: _Columns) -> None:
    entries = list(entries)
    trained = {entry.label for entry in entries if entry.part == TRAIN}
    if not trained:
        column = f"column {columns.label!r} was read" if columns.label else "all are 0"
        raise UsageError(f"{path}: no line has a label for training; {column}")
    unknown = sorted({e.label for e in entries if e.part != UNLABELLED} - trained)
    if unknown:
        raise UsageError(f"{path}: {', '.join(unknown[:5])} are no classes of its training lines")


def _one_hot(rows: list[Row], names: list[str]) -> bool:
    """Whether columns hold 0 and 1, and no line more than one 1."""
    values = [[_number(row.get(name)) for name in names] for row in rows]
    return all(set(each) <= {0, 1} and sum(v or 0 for v in each) <= 1 for each in values)


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if abs(number) < 1e15 else None


def _has_suffix(text: str) -> bool:
    return Path(text).suffix.lower() in suffixes()


def _is_image(table: Path, text: str) -> bool:
    """Whether a value is an image's path and no column's name."""
    text = text.strip()
    if not text or _has_suffix(text):
        return bool(text)
    places = [table.parent, *below(table.parent)[:LOOKED_INTO]]
    return any(resolved(place, text) is not None for place in places)


def _some_are_there(table: Path, files: list[str]) -> bool:
    some = [file.strip().replace("\\", "/") for file in files[:20] if file.strip()]
    try:
        found = whereabouts(table, some)
    except UsageError:  # in two folders, which is said once the column is chosen
        return True
    return any(found.find(file) is not None for file in some)

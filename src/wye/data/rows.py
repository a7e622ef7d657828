"""The lines of a CSV, TSV, JSON or JSONL file, each as a dictionary of text."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wye.errors import UsageError

LARGEST = 200_000_000
"""Bytes of the largest table that is read."""

Row = dict[str, str]


class Nested(str):
    """A value of JSON that is a list or an object: no path and no label."""


@dataclass
class Rows:
    """What a table holds.

    Attributes:
        names: of its columns, in order.
        rows: a dictionary a line; a line that is too short lacks the last columns.
        numbers: in which line of the file each row ends.
        too_long: lines with more values than columns, which are in no row.
    """

    names: list[str]
    rows: list[Row]
    numbers: list[int]
    too_long: list[str] = field(default_factory=list)


def read_rows(path: Path, is_image: Callable[[str], bool]) -> Rows:
    """The rows of a table.

    Args:
        is_image: whether a value is the path of an image: then the first line has no names.

    Raises:
        UsageError: the file is no table, or holds no line.
    """
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
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    json_like = "json" in path.suffix.lower()
    found = _of_json(path, text) if json_like else _of_csv(path, text, is_image)
    if not found.rows:
        raise UsageError(
            f"{path} holds no lines; it should have two columns or more, a path and a label"
        )
    return found


def _of_json(path: Path, text: str) -> Rows:
    documents: list[tuple[int, Any]] = []
    if text.lstrip().startswith("["):
        try:
            documents = [(number, row) for number, row in enumerate(json.loads(text), start=1)]
        except (ValueError, RecursionError, TypeError) as error:
            raise UsageError(f"{path}: it is no JSON: {str(error)[:80]}") from None
    else:
        for number, line in enumerate(text.splitlines(), start=1):
            if not line.strip():
                continue
            try:
                documents.append((number, json.loads(line)))
            except (ValueError, RecursionError):
                raise UsageError(f"{path}, line {number}: it is no JSON") from None
    rows = []
    for number, row in documents:
        if not isinstance(row, dict):
            raise UsageError(f'{path}, line {number}: it should be like {{"path": …, "label": …}}')
        rows.append({str(key): _text(value) for key, value in row.items()})
    names = list(dict.fromkeys(name for row in rows[:100] for name in row))
    return Rows(names, rows, [number for number, _ in documents])


def _text(value: Any) -> str:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, list | dict):
        return Nested(str(value)[:60])
    return "" if value is None else str(value)


def _of_csv(path: Path, text: str, is_image: Callable[[str], bool]) -> Rows:
    skipped = 0
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ""
    while match := re.match(r"(?:sep=(.)|#.*)?\n", text):  # Excel's first line, and remarks
        delimiter = match[1] or delimiter
        text, skipped = text[match.end() :], skipped + 1
    first = text.partition("\n")[0]
    reader = csv.reader(
        io.StringIO(text), delimiter=delimiter or max("\t;,|", key=first.count), strict=True
    )
    lines: list[tuple[int, list[str]]] = []
    try:
        for line in reader:
            if any(line):
                lines.append((reader.line_num + skipped, line))
    except csv.Error as error:
        start = lines[-1][0] + 1 if lines else 1
        raise UsageError(
            f"{path}, line {start}: {error}; a quotation mark is written twice, inside a pair"
        ) from None
    if not lines:
        return Rows([], [], [])
    names = [name.strip() for name in lines[0][1]]
    if has_names := not any(is_image(name) for name in names):
        lines = lines[1:]
    else:
        names = [f"column {place}" for place in range(1, len(names) + 1)]
    while len(names) > 1 and not names[-1] and has_names:  # a delimiter at the ends of lines
        names.pop()
    found = Rows(names, [], [])
    for number, line in lines:
        if any(value.strip() for value in line[len(names) :]):
            found.too_long.append(f"line {number}")
            continue
        found.rows.append(dict(zip(names, line, strict=False)))
        found.numbers.append(number)
    if not found.rows and found.too_long:
        raise UsageError(
            f"{path}: all lines have more values than its first ({', '.join(names[:8])}): is one of"
            " them text that holds the delimiter, without quotation marks?"
        )
    return found

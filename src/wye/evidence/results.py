"""The table of results: records of the runs that are here, and of those that come with Wye."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from wye.errors import MachineError, UsageError, WyeError
from wye.files import held, opened, write_atomically
from wye.runs.records import Record
from wye.runs.run import Run, complete_runs
from wye.studies import row_names

logger = logging.getLogger("wye")

SHIPPED = Path(__file__).parent / "shipped"
"""A file of records for each study, one JSON document a line."""
LONGEST = 100_000
"""Bytes of the longest line that is read: the answers to ten million images have more."""
Only = Literal["here", "shipped"]


@dataclass
class Added:
    """What came of adding runs: new records, what was there before, and what was left out."""

    new: list[Record] = field(default_factory=list)
    there: list[tuple[Path, str]] = field(default_factory=list)
    left_out: list[tuple[Path, str]] = field(default_factory=list)


def records(root: Path | None, only: Only | None = None) -> list[Record]:
    """The records of complete runs at or under a folder, and the shipped ones behind them.

    Args:
        root: the folder; None for none.
        only: those of runs `here`, or the `shipped` ones.

    Raises:
        UsageError: a shipped file holds what is no record.
    """
    here = () if root is None or only == "shipped" else map(_record, complete_runs(root))
    found = [record for record in here if record is not None]
    return found if only == "here" else [*found, *shipped()]


def shipped(folder: Path | None = None) -> list[Record]:
    """The records that come with Wye; one whose recipe changed since is left out, and said.

    Raises:
        UsageError: a file holds what is no record.
    """
    found = list(read(folder or SHIPPED))
    stale = [record for record in found if record.stale]
    if stale:
        rows = ", ".join(dict.fromkeys(record.row for record in stale))
        logger.warning("%d shipped records are stale and left out: %s", len(stale), rows)
    return [record for record in found if not record.stale]


def read(folder: Path) -> Iterator[Record]:
    """Every record of a folder's files, each once, in the order of studies' rows.

    Raises:
        UsageError: a line holds what is no record; the message says which.
        MachineError: a line is no text, or a file none.
    """
    found: dict[tuple[object, ...], Record] = {}
    for path in sorted(folder.glob("*.jsonl")):
        with opened(path) as file:
            for number, line in enumerate(iter(lambda: file.readline(LONGEST + 1), b""), 1):
                where = f"{path.name}, line {number}"
                if len(line) > LONGEST:
                    raise UsageError(f"{where}: longer than a record is")
                try:
                    text = line.decode()
                except UnicodeDecodeError:
                    raise MachineError(f"{where}: damaged, it is no UTF-8 text") from None
                if text.strip():
                    record = Record.read(text, where)
                    found.setdefault(record.key, record)
    yield from _sorted(found.values())


def add(roots: Iterable[Path], folder: Path | None = None) -> Added:
    """Add the complete runs of rows under some folders to the files of records.

    Nothing is ever replaced: of a row's recipe, seed, machine and precision the record that is
    there stays.

    Raises:
        UsageError: a file that is there holds what is no record.
        OSError: the folder can't be written.
    """
    folder = folder or SHIPPED
    folder.mkdir(parents=True, exist_ok=True)
    with held(folder):
        return _add(roots, folder)


def _add(roots: Iterable[Path], folder: Path) -> Added:
    there = {record.key: record for record in read(folder)}
    done = Added()
    for run in (run for root in roots for run in complete_runs(root)):
        try:
            record = Record.of(run)
        except WyeError as error:
            done.left_out.append((run.path, str(error)))
            continue
        if record.row not in row_names():
            done.left_out.append((run.path, f"{record.row} is no row of a study"))
        elif record.key in there:
            done.there.append((run.path, "a record of it is there"))
        else:
            try:
                kept = Record.read(record.line(), str(run.path))
            except WyeError as error:
                done.left_out.append((run.path, str(error)))
                continue
            if kept.stale:
                why = "what it changed can't be written as overrides of its row"
                done.left_out.append((run.path, why))
                continue
            there[record.key] = kept
            done.new.append(kept)
    by_study: dict[str, list[Record]] = {}
    for record in _sorted(there.values()):
        by_study.setdefault(record.row.partition("/")[0], []).append(record)
    for study in {record.row.partition("/")[0] for record in done.new}:
        lines = "".join(f"{record.line()}\n" for record in by_study[study])
        write_atomically(folder / f"{study}.jsonl", lines.encode())
    return done


def table(found: Iterable[Record]) -> list[dict[str, Any]]:
    """Records as plain flat lines: metrics as columns of their own, without the answers."""
    lines = []
    for record in found:
        kept = record.model_dump(mode="json", exclude={"answers", "metrics", "format"})
        kept["changes"] = " ".join(record.changes)
        lines.append({**kept, **record.metrics, "where": record.where})
    return lines


def _record(run: Run) -> Record | None:
    try:
        return Record.of(run)
    except WyeError as error:
        logger.warning("%s; it is left out", error)
        return None


def _sorted(found: Iterable[Record]) -> list[Record]:
    order = {name: place for place, name in enumerate(row_names())}
    last = len(order)
    return sorted(
        found,
        key=lambda record: (
            *(order.get(record.row, last), record.row, record.changes, record.digest),
            *(record.seed, *map(str, record.origin)),
        ),
    )

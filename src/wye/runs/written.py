"""Files of what a run made of images: tables of a line an image, and latent codes."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wye.errors import UsageError
from wye.files import replacing, save_bytes

if TYPE_CHECKING:
    from wye.runs.predicting import Codes

TABLES = (".csv", ".jsonl")
CODES = (".npz", ".csv", ".parquet")


def check_suffix(path: Path, known: tuple[str, ...]) -> None:
    """Refuse a file of a form that is not written, before anything is computed.

    Raises:
        UsageError: its suffix is none of `known`, or parquet cannot be written here.
    """
    if path.suffix.lower() not in known:
        raise UsageError(f"--out {path}: its suffix should be one of {', '.join(known)}")
    if path.suffix.lower() == ".parquet" and importlib.util.find_spec("pyarrow") is None:
        raise UsageError(
            f"--out {path}: .parquet needs pyarrow, which is not installed:"
            " pip install 'wye[parquet]'; .csv and .npz need nothing"
        )


def write_table(path: Path, records: Iterable[Mapping[str, Any]], columns: list[str]) -> None:
    """Write a line for each record as it comes, as CSV or JSON lines.

    Args:
        columns: of the CSV; JSON lines hold all that a record does.

    Raises:
        UsageError: the suffix is neither .csv nor .jsonl.
        OSError: the machine refused.
    """
    check_suffix(path, TABLES)

    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as bytes_file:
        # A name of a file need not be UTF-8.
        file = io.TextIOWrapper(bytes_file, "utf-8", errors="surrogateescape", newline="")
        lines = csv.writer(file, lineterminator="\n")
        if path.suffix.lower() == ".csv":
            lines.writerow(columns)
        for record in records:
            if path.suffix.lower() == ".csv":
                lines.writerow([_cell(record.get(name)) for name in columns])
            else:
                file.write(json.dumps(record, ensure_ascii=False) + "\n")
        file.detach()  # flushes, and leaves the closing to its owner


def _cell(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value


def write_codes(path: Path, found: Codes) -> None:
    """Write latent codes with paths, classes and parts, by the suffix .npz, .csv or .parquet.

    A `.npz` holds `codes` `(N, K)` and, of text, `paths`, `classes` (the true ones, '' where not
    known), `predicted` and `parts` `(N,)`; a table has the columns `path`, `class`, `predicted`,
    `part` and `code_0` and so on.

    Raises:
        UsageError: another suffix, or parquet cannot be written here.
        MachineError: the machine refused.
    """
    import numpy as np

    check_suffix(path, CODES)
    text: dict[str, list[str]] = {
        "path": [entry.path for entry in found.entries],
        "class": [entry.label for entry in found.entries],
        "predicted": found.predicted or [""] * len(found.entries),
        "part": [entry.part for entry in found.entries],
    }
    names = [f"code_{at}" for at in range(found.codes.shape[1])]
    if path.suffix.lower() == ".csv":
        lines = zip(*text.values(), found.codes.tolist(), strict=True)
        columns = [*text, *names]
        write_table(
            path,
            (dict(zip(columns, (*line[:4], *line[4]), strict=True)) for line in lines),
            columns,
        )
        return
    buffer = io.BytesIO()
    if path.suffix.lower() == ".npz":
        plural = {"path": "paths", "class": "classes", "predicted": "predicted", "part": "parts"}
        arrays: dict[str, Any] = {plural[name]: np.array(text[name], dtype=str) for name in plural}
        np.savez(buffer, codes=found.codes, **arrays)
    else:
        import pyarrow
        from pyarrow import parquet

        values = dict(zip(names, found.codes.T, strict=True))
        parquet.write_table(pyarrow.table({**text, **values}), buffer)
    save_bytes(path, buffer.getvalue())

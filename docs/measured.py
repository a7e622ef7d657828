"""Measured figures: what finished runs say, in one small file that the pages are written from."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from wye.errors import UsageError, WyeError
from wye.metrics import metrics_of
from wye.recipe import resolve
from wye.recipe.overrides import parse_overrides
from wye.report.rows import TRUNCATED, flat, overrides
from wye.report.view import command
from wye.runs.run import Run, find_runs
from wye.studies import row_names

Measured = dict[str, Any]
"""One finished run: `row`, `changes` (what differs from the row as its study file has it, as
overrides), `seed`, `metrics`, `epochs`, `seconds` of training, `images_per_second`, `device`,
`processor` (its name), `precision`, versions, `commit`, `command`; where watched, `best_on_test`,
the accuracy of the epoch that was best on the test set."""

DIGITS = 6


def collect(roots: Iterable[Path]) -> tuple[list[Measured], list[str]]:
    """The complete runs of rows under some folders, and why others were left out.

    Of runs of one row with the same changes and seed the first counts.
    """
    found: dict[tuple[str, tuple[str, ...], int], Measured] = {}
    left_out = []
    for run in (run for root in roots for run in find_runs(root)):
        try:
            reason = _unfit(run)
            one = None if reason else record(run)
        except WyeError as error:
            one, reason = None, str(error)
        if one is None:
            left_out.append(f"{run.path}: {reason}")
            continue
        key = (one["row"], tuple(one["changes"]), one["seed"])
        if key in found:
            left_out.append(f"{run.path}: run more than once")
        found.setdefault(key, one)
    order = row_names()
    return sorted(
        found.values(), key=lambda one: (order.index(one["row"]), one["changes"], one["seed"])
    ), left_out


def _unfit(run: Run) -> str:
    if run.recipe.row not in row_names():
        return f"{run.recipe.row} is no row of a study"
    if run.recipe.factors:
        return "of a grid, whose rows have a file of their own"
    if run.result is None:
        return "unfinished"
    return "cut short, no measurement" if run.result["status"] == TRUNCATED else ""


def record(run: Run) -> Measured:
    """What is kept of a finished run of a row."""
    assert run.result is not None
    result, place = run.result, run.environment
    changed = changes(run)
    best = (result.get("best_on_test") or {}).get("accuracy")
    return {
        "row": run.recipe.row,
        "changes": changed,
        "seed": run.recipe.seed,
        "metrics": {name: _rounded(value) for name, value in metrics_of(result).items()},
        **({} if best is None else {"best_on_test": _rounded(best)}),
        "epochs": result.get("epochs"),
        "seconds": round(result["seconds"]["train"], 1),
        "images_per_second": round(result["images_per_second"], 1),
        "device": place.get("device"),
        "processor": place.get("device_name"),
        "precision": result.get("precision"),
        "torch": place.get("torch"),
        "wye": place.get("wye"),
        "commit": place.get("commit"),
        "command": _command(run, changed),
    }


def changes(run: Run) -> list[str]:
    """What a run changed in its row, as overrides: those that were typed, and any others.

    Others are there where a run was made for another one, from Python, or of an earlier form of
    the row. The seed and a precision that the machine chose are no changes. Paths of the machine
    are written as PATH.
    """
    words = overrides(run)
    try:
        row = resolve(run.recipe.row, parse_overrides(words))
    except UsageError:
        words, row = [], resolve(run.recipe.row)
    own, base = flat(run.recipe), flat(row)
    if base["train.precision"] == "auto":
        own["train.precision"] = "auto"
    differing = [key for key in {**base, **own} if own.get(key) != base.get(key)]
    return [_placeless(word) for word in words] + [
        _placeless(f"{key}={own.get(key, 'none')}") for key in differing
    ]


def _placeless(word: str) -> str:
    """`weights=/home/me/x.pth` as `weights=PATH`."""
    return re.sub(r"=(/|~|\.\.?/).*", "=PATH", word, flags=re.DOTALL)


def _command(run: Run, changed: list[str]) -> str:
    """The command as it was typed, or one that says the same.

    What was typed says less than was done where the row had another form then.
    """
    row, seed = run.recipe.row, str(run.recipe.seed)
    typed = [_placeless(word) for word in overrides(run)]
    if not run.environment.get("command") or not typed or typed != changed:
        return shlex.join(["wye", "train", row, *changed, "--seed", seed])
    return shlex.join(_placeless(word) for word in shlex.split(command(run)))


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def write(path: Path, runs: Sequence[Measured]) -> None:
    """Write the file, a run a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(run, ensure_ascii=False, allow_nan=False) for run in runs)
    path.write_text(f"[\n{lines}\n]\n" if runs else "[]\n")


def read(path: Path) -> list[Measured]:
    """The runs in the file; none without it."""
    runs: list[Measured] = json.loads(path.read_text()) if path.exists() else []
    return runs

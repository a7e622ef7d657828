"""Means and spreads of the runs that are here."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from wye.evidence.collect import runs_by_row
from wye.metrics import spread


def measured_figures(root: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """Row to metric to `{"mean", "sd", "n"}` over the seeds of complete runs under `root`.

    Only runs of the row as it stands in its study count, under the protocol paper. `sd` is None for
    a single run.
    """
    measured: dict[str, dict[str, dict[str, Any]]] = {}
    for (row, protocol), repeats in runs_by_row(root).items():
        if protocol != "paper":
            continue
        values: dict[str, list[float]] = defaultdict(list)
        for run in repeats.values():
            for name, value in run.figures.items():
                values[name].append(value)
        measured[row] = {
            name: vars(found) for name, each in values.items() if (found := spread(each))
        }
    return measured

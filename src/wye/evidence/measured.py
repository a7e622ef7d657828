"""Means and spreads of rows' runs, of those that are here and those that are shipped."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from wye.evidence.collect import one_each, runs_by_row
from wye.evidence.results import Only
from wye.metrics import METRICS, spread
from wye.recipe import recipe_from_row
from wye.recipe.resolve import PROTOCOLS, check_protocol
from wye.runs.records import Record


def measured_figures(
    root: Path | None, protocol: str | None = None, only: Only | None = None
) -> dict[str, dict[str, dict[str, Any]]]:
    """Row to metric to `{"mean", "sd", "n", "shipped", "protocol"}` over seeds of complete runs.

    Only runs of the row as it stands in its study, under one protocol, count. `sd` is None for a
    single run; `shipped` of the `n` runs come with Wye, the others are under `root`. A metric of
    another judge than the row's has its name in `judge`.

    Args:
        protocol: None for `paper`, and the other one for rows that have no run under it.

    Raises:
        UsageError: there is no such protocol.
    """
    if protocol is not None:
        check_protocol(protocol)
    found = runs_by_row(root, only)
    measured: dict[str, dict[str, dict[str, Any]]] = {}
    for asked in PROTOCOLS if protocol is None else (protocol,):
        for (row, under), repeats in found.items():
            if under == asked and row not in measured:
                figures = _figures(row, list(one_each(repeats).values()))
                measured[row] = {name: {**of, "protocol": under} for name, of in figures.items()}
    return measured


def _figures(row: str, found: list[Record]) -> dict[str, dict[str, Any]]:
    own = recipe_from_row(row).evaluation.judge
    having: dict[str, list[Record]] = defaultdict(list)
    for record in found:
        for name in record.metrics:
            lead = having[name][0] if having[name] else record
            if "judge" not in METRICS[name].needs or record.judge == lead.judge:
                having[name].append(record)
    figures = {}
    for name, records in having.items():
        each = spread(record.metrics[name] for record in records)
        shipped = sum(record.run is None for record in records)
        figures[name] = {**vars(each), "shipped": shipped}
        judge = records[0].judge
        if "judge" in METRICS[name].needs and own != "self" and judge != own:
            figures[name]["judge"] = judge
    return figures

"""Means and spreads of the runs that are here."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import yaml

METRICS = ("accuracy", "balanced_accuracy", "macro_f1", "psnr", "ssim", "mse", "mae")


def measured_figures(root: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """Row to metric to `{"mean", "sd", "n"}` over the seeds of complete runs under `root`.

    Only runs of the row as it stands in its study count: a run with other settings or other data
    measures something else. `sd` is None for a single run.
    """
    from wye.errors import UsageError
    from wye.recipe import recipe_from_row

    values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for path in sorted(root.glob("**/result.json")):
        result = json.loads(path.read_text())
        if result.get("status") != "complete":
            continue
        stored = yaml.safe_load((path.parent / "recipe.yaml").read_text())
        try:
            row = recipe_from_row(stored["row"]).model_dump(mode="json")
        except UsageError:
            continue
        if any(row[key] != stored.get(key) for key in ("data", "network", "loss", "phases")):
            continue
        if {**row["train"], "precision": ""} != {**stored["train"], "precision": ""}:
            continue
        for name in METRICS:
            if name in result["test"]:
                values[stored["row"]][name].append(result["test"][name])
    return {
        row: {
            name: {
                "mean": mean(found),
                "sd": stdev(found) if len(found) > 1 else None,
                "n": len(found),
            }
            for name, found in metrics.items()
        }
        for row, metrics in values.items()
    }

"""Means and spreads of the runs that are here."""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from pathlib import Path
from typing import Any

import yaml

from wye.errors import UsageError
from wye.metrics import figures, spread
from wye.recipe import Recipe, recipe_from_row
from wye.recipe.overrides import validated
from wye.recipe.schema import SETTINGS
from wye.studies import row_names

logger = logging.getLogger("wye")


def measured_figures(root: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """Row to metric to `{"mean", "sd", "n"}` over the seeds of complete runs under `root`.

    Only runs of the row as it stands in its study count: a run with other settings or other data
    measures something else. `sd` is None for a single run.
    """
    values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for path in sorted(root.glob("**/result.json")):
        try:
            result = json.loads(path.read_text())
            recipe = validated(yaml.safe_load((path.parent / "recipe.yaml").read_text()))
            if result["status"] != "complete" or not _as_in_study(recipe):
                continue
            for name, value in figures(result).items():
                values[recipe.row][name].append(value)
        except UsageError:
            continue  # of settings that are no recipe any more
        except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
            logger.warning("%s is damaged; it is left out", path.parent)
    return {
        row: {name: vars(found) for name in metrics if (found := spread(metrics[name]))}
        for row, metrics in values.items()
    }


def _as_in_study(recipe: Recipe) -> bool:
    """Whether a run's recipe is its row's, but for the seed and the precision."""
    if recipe.row not in row_names():
        return False
    row = recipe_from_row(recipe.row)
    own = set(SETTINGS) - {"train", "seed"}
    same = all(getattr(recipe, key) == getattr(row, key) for key in own)
    train = recipe.train.model_copy(update={"precision": row.train.precision})
    return same and train == row.train

"""From what a person names (a row, a file, a folder of images) to a recipe."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import yaml

from wye.errors import UsageError
from wye.recipe.overrides import validated
from wye.recipe.schema import Recipe
from wye.studies.load import merge, normalized, row_names, row_settings

logger = logging.getLogger("wye")

FOLDER_ROW = "wye/quick"


def recipe_from_row(name: str) -> Recipe:
    """The recipe of a row as its study file has it."""
    return validated(row_settings(name))


def resolve(target: str, overrides: dict[str, Any] | None = None) -> Recipe:
    """The recipe that `target` and the overrides stand for.

    Args:
        target: a row such as `joint/v4-l2`, the path of a recipe file, or a folder of images by
            class, which is trained by the recipe `wye/quick`.
        overrides: nested settings, see `parse_overrides`.

    Raises:
        UsageError: nothing is called so, or the settings are not a recipe.
    """
    overrides = overrides or {}
    path = Path(target)
    if path.suffix in (".yaml", ".yml"):
        base = _read(path)
    elif target not in row_names() and target.strip() and path.is_dir():
        base = row_settings(FOLDER_ROW)
        base["data"] = {**base["data"], "name": str(path)}
    else:
        base = row_settings(target)
    settings = merge(base, normalized(overrides))
    train = overrides.get("train")
    if isinstance(train, dict) and "epochs" in train:
        settings = _refit(base, settings, overrides)
    return validated(settings)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text())
    except OSError as error:
        raise UsageError(f"cannot read the recipe {path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise UsageError(f"{path} holds no recipe: it should be a mapping with a `network`")
    return normalized({"row": path.stem, **content})


def _refit(
    base: dict[str, Any], settings: dict[str, Any], overrides: dict[str, Any]
) -> dict[str, Any]:
    """Fit schedule and phases to an overridden number of epochs.

    A schedule belongs to a length: forty epochs of 'a tenth every ten' cut to ten would otherwise
    never leave the first rate. What the overrides set themselves stays.
    """
    before, after = validated(base), settings["train"]["epochs"]
    if not isinstance(after, int) or after <= 0 or after == before.train.epochs:
        return settings
    share = after / before.train.epochs
    settings = dict(settings)
    if "schedule" not in overrides["train"]:
        schedule = before.train.schedule.stretched(share)
        if schedule != before.train.schedule:
            logger.info(
                "schedule refitted to %d epochs: every %g instead of %g",
                after,
                schedule.every,
                before.train.schedule.every,
            )
        settings["train"] = {
            **settings["train"],
            "schedule": schedule.model_dump(exclude_none=True),
        }
    if before.phases and "phases" not in overrides:
        settings["phases"] = _refit_phases(before, after, share)
    return settings


def _refit_phases(recipe: Recipe, epochs: int, share: float) -> list[dict[str, Any]]:
    if epochs < len(recipe.phases):
        raise UsageError(
            f"train.epochs={epochs}: {recipe.row} has {len(recipe.phases)} phases of at least one"
            " epoch each; phases=[] makes one of them"
        )
    lengths = [max(1, round(phase.epochs * share)) for phase in recipe.phases]
    longest = lengths.index(max(lengths))
    lengths[longest] += epochs - sum(lengths)
    phases = []
    for phase, resolved, length in zip(
        recipe.phases, recipe.resolved_phases(), lengths, strict=True
    ):
        settings = {**phase.model_dump(exclude_unset=True), "epochs": length}
        if not phase.carry_on:
            schedule = resolved.train.schedule.stretched(length / phase.epochs)
            settings["train"] = {**phase.train, "schedule": schedule.model_dump(exclude_none=True)}
        phases.append(settings)
    logger.info("phases refitted to %d epochs: %s", epochs, " + ".join(map(str, lengths)))
    return phases

"""From what a person names (a row, a file, a folder of images) to a recipe."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from wye.errors import UsageError
from wye.recipe.overrides import YAML_FAULTS, check_overridable, validated
from wye.recipe.schema import DataSettings, Recipe
from wye.recipe.settings import Count
from wye.studies.load import merge, normalized, row_names, row_settings

logger = logging.getLogger("wye")

FOLDER_ROW = "wye/quick"
CLASS_SETTINGS = {"data": ("classes", "limit"), "loss": ("class_weights",)}
"""Settings that name classes of the data set."""

LARGEST = 1_000_000
"""Bytes of the largest recipe file that is read: YAML of that size takes seconds as it is."""


def recipe_from_row(name: str) -> Recipe:
    """The recipe of a row as its study file has it."""
    return validated(row_settings(name))


def resolve(target: str, overrides: dict[str, Any] | None = None) -> Recipe:
    """The recipe that `target` and the overrides stand for.

    Args:
        target: a row such as `joint/v4-l2`; the path of a recipe file; a run folder, which stands
            for the recipe that was carried out there; or a folder of images by class, which is
            trained by the recipe `wye/quick` under the name `own/<folder>`.
        overrides: nested settings, see `parse_overrides`.

    Raises:
        UsageError: nothing is called so, or the settings are not a recipe.
    """
    return with_overrides(_settings_of(target), overrides or {})


def with_overrides(base: dict[str, Any], overrides: dict[str, Any]) -> Recipe:
    """The recipe of the settings `base`, changed by nested settings.

    Raises:
        UsageError: the overrides name what cannot be overridden, or the result is no recipe.
    """
    check_overridable(overrides)
    overrides = normalized(overrides)
    settings = merge(_without_classes(base, overrides), overrides)
    train = overrides.get("train")
    if isinstance(train, dict) and "epochs" in train:
        settings = _refit(base, settings, overrides)
    return validated(settings)


def _without_classes(base: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """The settings without those that name classes, where another data set takes the place."""
    data = overrides.get("data")
    name = data.get("name") if isinstance(data, dict) else None
    before = base.get("data", {}).get("name", DataSettings().name)
    if name is None or name == before:
        return base
    kept = dict(base)
    for part, keys in CLASS_SETTINGS.items():
        if dropped := [key for key in keys if base.get(part, {}).get(key)]:
            kept[part] = {k: v for k, v in base[part].items() if k not in dropped}
            names = ", ".join(f"{part}.{key}" for key in dropped)
            logger.info("%s: left out, because it names classes of %s", names, before)
    return kept


def _settings_of(target: str) -> dict[str, Any]:
    path = Path(target)
    if target in row_names():
        return row_settings(target)
    if path.suffix in (".yaml", ".yml"):
        return _read(path)
    # os.path answers False where pathlib raises: names that are too long, for instance.
    if not target.strip() or not os.path.isdir(target):
        return row_settings(target)
    if (path / "recipe.yaml").is_file():
        return _read(path / "recipe.yaml")
    return _folder_settings(path)


def _folder_settings(path: Path) -> dict[str, Any]:
    """The settings by which a folder of images is trained, under a name of its own."""
    base = row_settings(FOLDER_ROW)
    identity: dict[str, Any] = {
        "row": f"own/{safe_name(path.resolve().name)}",
        "study": None,
        "source": None,
        "title": f"Images of {path}",
        "notes": [],
        "published": {},
        "published_data": None,
        "control_of": None,
    }
    return {**base, **identity, "data": {**base["data"], "name": str(path)}}


def safe_name(name: str) -> str:
    """A file's name as part of a row's: anything but letters, digits and ._+- becomes a dash."""
    return re.sub(r"\.\.+", ".", re.sub(r"[^\w.+-]+", "-", name))[:100].strip(".-") or "unnamed"


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            written = file.read(LARGEST + 1)
    except OSError as error:
        raise UsageError(f"cannot read the recipe {path}: {error.strerror}") from None
    if len(written) > LARGEST:
        raise UsageError(f"{path} is larger than 1 MB, which no recipe is")
    try:
        content = yaml.safe_load(written.decode())
    except RecursionError:
        raise UsageError(f"{path} is not YAML that can be read: it is nested too deeply") from None
    except YAML_FAULTS as error:
        raise UsageError(f"{path} is not YAML: {' '.join(str(error).split())[:300]}") from None
    if not isinstance(content, dict):
        raise UsageError(f"{path} holds no recipe: it should be a mapping with a `network`")
    return normalized({"row": safe_name(path.stem), **content})


def _refit(
    base: dict[str, Any], settings: dict[str, Any], overrides: dict[str, Any]
) -> dict[str, Any]:
    """Fit schedule and phases to an overridden number of epochs.

    A schedule belongs to a length: forty epochs of 'a tenth every ten' cut to ten would otherwise
    never leave the first rate. What the overrides set themselves stays. See
    `ScheduleSettings.fitted`.
    """
    before = validated(base)
    try:
        after = TypeAdapter[int](Count).validate_python(settings["train"]["epochs"])
    except ValidationError:
        return settings  # validating all of it says what is wrong with it
    if after == before.train.epochs:
        return settings
    share = after / before.train.epochs
    settings = dict(settings)
    if "schedule" not in overrides["train"]:
        schedule = before.train.schedule.fitted(share)
        if schedule != before.train.schedule:
            logger.info(
                "schedule refitted to %d epochs: %s instead of %s",
                after,
                schedule,
                before.train.schedule,
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
            schedule = resolved.train.schedule.fitted(length / phase.epochs)
            settings["train"] = {**phase.train, "schedule": schedule.model_dump(exclude_none=True)}
        phases.append(settings)
    logger.info("phases refitted to %d epochs: %s", epochs, " + ".join(map(str, lengths)))
    return phases

"""From what a person names (a row, a file, a folder of images) to a recipe."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from wye import yaml_text
from wye.errors import UsageError
from wye.files import opened
from wye.recipe.mistaken import meant_by
from wye.recipe.overrides import check_overridable, validated
from wye.recipe.parts import HUB, OWN_FILES
from wye.recipe.schedules import ScheduleSettings, read_schedule
from wye.recipe.schema import DataSettings, Recipe, TrainSettings
from wye.recipe.settings import Count
from wye.registry import suggest
from wye.studies.load import merge, normalized, row_names, row_settings, studies
from wye.wording import legible, shown

logger = logging.getLogger("wye")

FOLDER_ROW = "wye/quick"
PROTOCOLS = ("paper", "short")
CLASS_SETTINGS = {"data": ("classes", "limit"), "loss": ("class_weights",)}
"""Settings that name classes of the data set."""

DEFAULT = TrainSettings()

LARGEST = 1_000_000
"""Bytes of the largest recipe file that is read: YAML of that size takes seconds as it is."""


def recipe_from_row(name: str, protocol: str = "paper") -> Recipe:
    """The recipe of a row as its study file has it, under a protocol.

    Raises:
        UsageError: no such row, or its study has no such protocol.
    """
    settings = row_settings(name)
    if protocol == "paper":
        return validated(settings)
    check_protocol(protocol)
    study = settings["study"]
    if protocol not in protocols(name):
        having = [name for name, other in studies().items() if other.short]
        raise UsageError(
            f"the study {study} has no protocol {protocol!r}; {', '.join(having)} have one"
        )
    short = normalized(studies()[study].short)
    changed = _refit(settings, merge(settings, short), short, log=False)
    return validated({**changed, "protocol": protocol})


def check_protocol(protocol: str) -> None:
    """Raise UsageError if there is no such protocol."""
    if protocol not in PROTOCOLS:
        raise UsageError(f"no protocol {shown(protocol)}; {suggest(protocol, PROTOCOLS)}")


def protocols(row: str) -> tuple[str, ...]:
    """The protocols that a row's study has."""
    study = studies().get(row.partition("/")[0])
    return PROTOCOLS if study and study.short else PROTOCOLS[:1]


def resolve(
    target: str, overrides: dict[str, Any] | None = None, protocol: str = "paper"
) -> Recipe:
    """The recipe that `target` and the overrides stand for.

    Args:
        target: a row such as `joint/v4-l2`; the path of a recipe file; a run folder, which stands
            for the recipe that was run there; or own images (a folder by class, a table, arrays),
            which are trained by the recipe `wye/quick` under the name `own/<folder>`.
        overrides: nested settings, see `parse_overrides`.
        protocol: `paper` or `short`, of a row.

    Raises:
        UsageError: nothing is called so, or the settings are not a recipe.
    """
    if protocol == "paper":
        return with_overrides(_settings_of(target), overrides or {})
    if target not in row_names():
        raise UsageError(
            f"the protocol {protocol!r} is for rows of a study, not for {shown(target)}"
        )
    recipe = recipe_from_row(target, protocol)
    return with_overrides(recipe.model_dump(), overrides) if overrides else recipe


def with_overrides(base: dict[str, Any], overrides: dict[str, Any]) -> Recipe:
    """The recipe of the settings `base`, changed by nested settings.

    Raises:
        UsageError: the overrides name what cannot be overridden, or the result is no recipe.
    """
    check_overridable(overrides)
    overrides = normalized(overrides)
    settings = merge(_without_classes(base, overrides), overrides)
    return validated(_refit(base, settings, overrides))


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
    if target.startswith(HUB):
        return _folder_settings(path)
    if path.suffix in (".yaml", ".yml"):
        return _read(path)
    # os.path answers False where pathlib raises: names that are too long, for instance.
    if os.path.isfile(target) and path.suffix.lower() in OWN_FILES:
        return _folder_settings(path)
    if mistake := meant_by(target):
        raise UsageError(mistake)
    if not target.strip() or not os.path.isdir(target):
        return row_settings(target)
    if (path / "recipe.yaml").is_file():
        return _read(path / "recipe.yaml")
    return _folder_settings(path)


def _folder_settings(path: Path) -> dict[str, Any]:
    """The settings by which a folder of images is trained, under a name of its own."""
    if legible(str(path.resolve())) != str(path.resolve()):
        raise UsageError(
            f"{path.resolve()} is no UTF-8, in which a recipe names its images: rename what is not"
        )
    base = row_settings(FOLDER_ROW)
    identity: dict[str, Any] = {
        "row": f"own/{safe_name(path.stem if path.is_file() else path.resolve().name)}",
        "study": None,
        "source": None,
        "title": f"Images of {path}",
        "notes": [],
        "published": {},
        "published_data": None,
        "control_of": None,
        "factors": {},
    }
    # Absolute, so that one folder has one name wherever a command is given.
    name = str(path) if str(path).startswith(HUB) else str(path.resolve())
    return {**base, **identity, "data": {**base["data"], "name": name}}


def safe_name(name: str) -> str:
    """A file's name as part of a row's: anything but letters, digits and ._+- becomes a dash."""
    return re.sub(r"\.\.+", ".", re.sub(r"[^\w.+-]+", "-", name))[:100].strip(".-") or "unnamed"


def _read(path: Path) -> dict[str, Any]:
    try:
        with opened(path) as file:
            written = file.read(LARGEST + 1)
    except OSError as error:
        raise UsageError(f"cannot read the recipe {path}: {error.strerror}") from None
    if len(written) > LARGEST:
        raise UsageError(f"{path} is larger than 1 MB, which no recipe is")
    try:
        content = yaml_text.load(written.decode())
    except yaml_text.FAULTS as error:
        if isinstance(error, RecursionError) or "maximum nesting depth" in str(error):
            reason = "it is nested too deeply"
            raise UsageError(f"{path} is not YAML that can be read: {reason}") from None
        raise UsageError(f"{path} is not YAML: {' '.join(str(error).split())[:300]}") from None
    if not isinstance(content, dict):
        raise UsageError(f"{path} holds no recipe: it should be a mapping with a `network`")
    return normalized({"row": safe_name(path.stem), **content})


def _refit(
    base: dict[str, Any], settings: dict[str, Any], overrides: dict[str, Any], log: bool = True
) -> dict[str, Any]:
    """Fit schedule and phases to an overridden number of epochs.

    A schedule belongs to a length: forty epochs of 'a tenth every ten' cut to ten would otherwise
    never leave the first rate. What the overrides set themselves stays. See
    `ScheduleSettings.fitted`.

    Args:
        base: what the overrides were laid on.
        settings: the result of that.
        log: say what was refitted.
    """
    train = overrides.get("train")
    if not isinstance(train, dict) or "epochs" not in train:
        return settings
    try:
        return _refitted(base, settings, overrides, logging.INFO if log else logging.DEBUG)
    except (ValidationError, PydanticCustomError, LookupError, TypeError, AttributeError):
        return settings  # which are no recipe: validating all of it says what is wrong


def _refitted(
    base: dict[str, Any], settings: dict[str, Any], overrides: dict[str, Any], level: int
) -> dict[str, Any]:
    count = TypeAdapter[int](Count)
    before = count.validate_python(base.get("train", {}).get("epochs", DEFAULT.epochs))
    after = count.validate_python(settings["train"]["epochs"])
    if after == before:
        return settings
    given = read_schedule(base.get("train", {}).get("schedule") or DEFAULT.schedule)
    settings = dict(settings)
    if "schedule" not in overrides["train"]:
        schedule = given.fitted(before, after)
        if schedule != given:
            changed = "schedule refitted to %d epochs: %s instead of %s"
            logger.log(level, changed, after, schedule, given)
        settings["train"] = {**settings["train"], "schedule": schedule.model_dump()}
    if (phases := base.get("phases")) and "phases" not in overrides:
        lengths = _lengths([count.validate_python(phase["epochs"]) for phase in phases], after)
        settings["phases"] = [
            _of_length(phase, length, given) for phase, length in zip(phases, lengths, strict=True)
        ]
        logger.log(level, "phases refitted to %d epochs: %s", after, " + ".join(map(str, lengths)))
    return settings


def _lengths(before: list[int], epochs: int) -> list[int]:
    """The lengths of phases that last so many epochs in all."""
    if epochs < len(before):
        raise UsageError(
            f"train.epochs={epochs}: the recipe has {len(before)} phases of at least one epoch"
            " each; phases=[] makes one of them"
        )
    lengths = [max(1, round(length * epochs / sum(before))) for length in before]
    lengths[lengths.index(max(lengths))] += epochs - sum(lengths)
    return lengths


def _of_length(phase: dict[str, Any], epochs: int, shared: ScheduleSettings) -> dict[str, Any]:
    """A phase of another length, with its own schedule or the shared one fitted to it."""
    if phase.get("carry_on"):
        return {**phase, "epochs": epochs}
    kept = {key: value for key, value in phase.items() if key != "schedule"}
    train = phase.get("train") or {}
    own = phase.get("schedule") or train.get("schedule") or shared
    schedule = read_schedule(own).fitted(phase["epochs"], epochs)
    return {**kept, "epochs": epochs, "train": {**train, "schedule": schedule.model_dump()}}

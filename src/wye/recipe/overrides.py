"""Overrides such as `train.epochs=10`, and what is said of settings that don't fit."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from wye import yaml_text
from wye.errors import UsageError
from wye.objective import TERMS
from wye.recipe.mistaken import folder_meant
from wye.recipe.schema import SETTINGS, Recipe
from wye.recipe.settings import Settings
from wye.registry import suggest
from wye.studies.load import PARTS, merge
from wye.wording import shown, wording

KEY = re.compile(r"[^\W\d]\w*(\.\w+)*")


def parse_overrides(arguments: Iterable[str]) -> dict[str, Any]:
    """`["train.epochs=10", "data=shapes"]` as nested settings.

    Raises:
        UsageError: an argument is not of the form key=value.
    """
    settings: dict[str, Any] = {}
    for argument in arguments:
        key, mark, written = argument.partition("=")
        if not mark or not KEY.fullmatch(key.strip()):
            hint = ""
            if not mark and (folder := folder_meant(argument)):
                hint = f"; it is a path, and one is taken: give the folder {folder}"
            raise UsageError(
                f"{shown(argument)} is not of the form key=value, for instance"
                f" train.epochs=10{hint}"
            )
        settings = merge(settings, nest(key.strip(), _value(written.strip())))
    return settings


def nest(key: str, value: Any) -> dict[str, Any]:
    """`("train.lr", 1)` as `{"train": {"lr": 1}}`; `data` alone names the data set, `alpha` is
    `loss.alpha`, and so with every weight.

    Raises:
        UsageError: the key is not names joined by dots.
    """
    if not KEY.fullmatch(key):
        raise UsageError(f"{shown(key)} is not the name of a setting, for instance train.epochs")
    if key == "data" and isinstance(value, str):
        key = "data.name"
    if key in {term.weight for term in TERMS.values()}:
        key = f"loss.{key}"
    nested = value
    for part in reversed(key.split(".")):
        nested = {part: nested}
    return dict(nested)


def check_overridable(overrides: dict[str, Any]) -> None:
    """Refuse overrides of what identifies a recipe, and of what doesn't exist.

    Raises:
        UsageError: with the key, and what can be overridden.
    """
    for key in overrides:
        if key in SETTINGS or key in PARTS:
            continue
        if key in Recipe.model_fields:
            raise UsageError(f"{key} cannot be overridden; known: {', '.join(SETTINGS)}")
        raise UsageError(f"{key}: there is no such setting; {suggest(key, SETTINGS)}")


def _value(written: str) -> Any:
    """A value as YAML reads it; text where YAML cannot, as lines of the notation are."""
    if not written:
        return ""
    try:
        value = yaml_text.load(written)
    except yaml_text.DoubledKeyError as error:
        raise UsageError(f"{shown(written)}: {error}") from None
    except yaml_text.FAULTS:
        return written
    plain = isinstance(value, bool | int | float | list | dict) or value is None
    return value if plain else written


def validated(settings: dict[str, Any]) -> Recipe:
    """The recipe of these settings.

    Raises:
        UsageError: a key that doesn't exist, a value of the wrong kind, settings that contradict
            each other; the message names the key and what would be right.
    """
    try:
        return Recipe.model_validate(settings)
    except ValidationError as error:
        raise UsageError(explain(error, Recipe)) from None


NEEDS_EXAMPLE = "it should hold settings"


def explain(error: ValidationError, root: type[Settings]) -> str:
    """The first of a validation's errors in one line.

    Args:
        error: what pydantic found.
        root: the model that the settings were meant for.
    """
    first = error.errors(include_url=False)[0]
    # Pydantic puts names of its own machinery into the path, such as `[key]`.
    path = [part for part in first["loc"] if not str(part).endswith("]")]
    if first["type"] == "unknown_setting":  # of a part whose settings are more than its fields
        path.append(first["ctx"]["key"])
    where = ".".join(str(part) for part in path)
    if first["type"] in ("extra_forbidden", "unknown_setting"):
        model = model_at(path[:-1], root)
        known = model.known() if model else []
        if problem := first.get("ctx", {}).get("problem"):
            return f"{where}: {problem}"
        wanted = suggest(str(path[-1]), known, len(known)) if known else "it is not a setting"
        return f"{where}: there is no such setting; {wanted}"
    message = wording(first)
    if message == NEEDS_EXAMPLE and (example := _example(path, root)):
        message += f", for instance {'.'.join([*map(str, path), example])}"
    if first["type"] in ("value_error", "missing"):
        return f"{where}: {message}" if where else message
    return f"{where}={shown(first['input'])}: {message}"


def model_at(path: list[Any], root: type[Settings]) -> type[Settings] | None:
    """The model of the settings at a place under `root`; None where there are no settings."""
    model: type[Settings] | None = root
    for part in path:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part) if model else None
        model = model_of(field) if field else None
    return model


def _example(path: list[Any], root: type[Settings]) -> str | None:
    """A setting that may be written at a place: its first, or the one given as an example."""
    if model := model_at(path, root):
        return f"{next(iter(model.model_fields))}=..."
    above = model_at(path[:-1], root)
    field = above.model_fields.get(path[-1]) if above else None
    return str(field.examples[0]) if field and field.examples else None


def model_of(field: FieldInfo) -> type[Settings] | None:
    """The model whose settings a field holds: one, a list of them, or some of its settings."""
    partial = (getattr(entry, "settings_of", None) for entry in field.metadata)
    return next((model for model in partial if model), None) or _model_in(field.annotation)


def _model_in(annotation: Any) -> type[Settings] | None:
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is not None:
        found = (_model_in(inner) for inner in typing.get_args(annotation))
        return next((model for model in found if model), None)
    is_model = isinstance(annotation, type) and issubclass(annotation, Settings)
    return annotation if is_model else None

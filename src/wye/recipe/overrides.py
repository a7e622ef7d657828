"""Overrides such as `train.epochs=10`, and messages for settings that don't fit."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from wye.errors import UsageError
from wye.recipe.schema import Recipe
from wye.registry import suggest
from wye.studies.load import merge


def parse_overrides(arguments: Iterable[str]) -> dict[str, Any]:
    """`["train.epochs=10", "data=shapes"]` as nested settings.

    Raises:
        UsageError: an argument is not of the form key=value.
    """
    settings: dict[str, Any] = {}
    for argument in arguments:
        key, mark, written = argument.partition("=")
        if not mark or not key.strip():
            raise UsageError(
                f"{argument!r} is not of the form key=value, for instance train.epochs=10"
            )
        settings = merge(settings, nest(key.strip(), _value(written.strip())))
    return settings


def nest(key: str, value: Any) -> dict[str, Any]:
    """`("train.lr", 1)` as `{"train": {"lr": 1}}`; `data` alone names the data set."""
    if key == "data" and isinstance(value, str):
        key = "data.name"
    for part in reversed(key.split(".")):
        value = {part: value}
    return typing.cast(dict[str, Any], value)


def _value(written: str) -> Any:
    if not written:
        return ""
    try:
        value = yaml.safe_load(written)
    except yaml.YAMLError:
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
        raise UsageError(explain(error)) from None


def explain(error: ValidationError) -> str:
    """The first of a validation's errors in one line."""
    first = error.errors()[0]
    path = [part for part in first["loc"] if not isinstance(part, str) or part.isidentifier()]
    where = ".".join(str(part) for part in path)
    if first["type"] == "extra_forbidden":
        known = _fields_at(path[:-1])
        wanted = suggest(str(path[-1]), known) if known else "it is not a setting"
        return f"{where}: there is no such setting; {wanted}"
    message = first["msg"].removeprefix("Value error, ")
    message = message.replace("Input should be", "it should be")
    if first["type"] == "value_error":
        return f"{where}: {message}" if where else message
    if first["type"] == "missing":
        return f"{where}: this setting is needed"
    return f"{where}={first['input']!r}: {message}"


def _fields_at(path: list[Any]) -> list[str]:
    """The settings that exist at a place in the recipe."""
    model: Any = Recipe
    for part in path:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part)
        model = _model_in(field.annotation) if field else None
        if model is None:
            return []
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is not None:
        found = (_model_in(inner) for inner in typing.get_args(annotation))
        return next((model for model in found if model), None)
    is_model = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return annotation if is_model else None

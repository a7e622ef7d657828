"""Overrides such as `train.epochs=10`, the reading of YAML, and the check of settings."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import yaml
from pydantic import ValidationError

from wye.errors import UsageError
from wye.recipe.explain import explain
from wye.recipe.schema import SETTINGS, Recipe
from wye.registry import suggest
from wye.studies.load import PARTS
from wye.studies.merging import merge
from wye.wording import shown

KEY = re.compile(r"[^\W\d]\w*(\.\w+)*")
# What PyYAML raises on text such as '!!bool x', 2001-99-99 or brackets nested too deeply, beside
# its own errors.
YAML_FAULTS = (
    *(yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError),
    *(OverflowError, RecursionError),
)


def parse_overrides(arguments: Iterable[str]) -> dict[str, Any]:
    """`["train.epochs=10", "data=shapes"]` as nested settings.

    Raises:
        UsageError: an argument is not of the form key=value.
    """
    settings: dict[str, Any] = {}
    for argument in arguments:
        key, mark, written = argument.partition("=")
        if not mark or not KEY.fullmatch(key.strip()):
            raise UsageError(
                f"{shown(argument)} is not of the form key=value, for instance train.epochs=10"
            )
        settings = merge(settings, nest(key.strip(), _value(written.strip())))
    return settings


def nest(key: str, value: Any) -> dict[str, Any]:
    """`("train.lr", 1)` as `{"train": {"lr": 1}}`; `data` alone names the data set.

    Raises:
        UsageError: the key is not names joined by dots.
    """
    if not KEY.fullmatch(key):
        raise UsageError(f"{shown(key)} is not the name of a setting, for instance train.epochs")
    if key == "data" and isinstance(value, str):
        key = "data.name"
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
        value = yaml.safe_load(written)
    except YAML_FAULTS:
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

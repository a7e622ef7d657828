"""One line about settings that don't fit: where, what is wrong, what would be right."""

from __future__ import annotations

import types
import typing
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from wye.recipe.settings import Settings
from wye.registry import suggest
from wye.wording import shown, wording

NEEDS_EXAMPLE = "it should hold settings"


def explain(error: ValidationError, root: type[BaseModel]) -> str:
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
        known = names_of(model) if model else []
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


def names_of(model: type[BaseModel]) -> list[str]:
    """The settings that a part of a recipe knows."""
    return model.known() if issubclass(model, Settings) else list(model.model_fields)


def model_at(path: list[Any], root: type[BaseModel]) -> type[BaseModel] | None:
    """The model of the settings at a place under `root`; None where there are no settings."""
    model: type[BaseModel] | None = root
    for part in path:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part) if model else None
        model = model_of(field) if field else None
    return model


def _example(path: list[Any], root: type[BaseModel]) -> str | None:
    """A setting that may be written at a place: its first, or the one given as an example."""
    if model := model_at(path, root):
        return f"{next(iter(model.model_fields))}=..."
    above = model_at(path[:-1], root)
    field = above.model_fields.get(path[-1]) if above else None
    return str(field.examples[0]) if field and field.examples else None


def model_of(field: FieldInfo) -> type[BaseModel] | None:
    """The model whose settings a field holds: one, a list of them, or some of its settings."""
    partial = (getattr(entry, "settings_of", None) for entry in field.metadata)
    return next((model for model in partial if model), None) or _model_in(field.annotation)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is not None:
        found = (_model_in(inner) for inner in typing.get_args(annotation))
        return next((model for model in found if model), None)
    is_model = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return annotation if is_model else None

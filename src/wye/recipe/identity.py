"""Which recipe a recipe is: of which row and protocol, with which changes, and its digest."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import yaml
from pydantic import BaseModel

from wye import yaml_text
from wye.recipe.resolve import protocols, recipe_from_row
from wye.recipe.schema import SETTINGS, Recipe
from wye.studies import row_names
from wye.studies.load import OWN_KEYS, row_settings

IDENTITY = 1
"""Raised when the default of a setting changes: every digest then is another."""
PATH = re.compile(r"^(/|~|\.\.?/).*", re.DOTALL)
OWN = {"seed", "train.precision", "evaluation.judge"}
"""What repeats of one recipe may differ in: the judge, because it changes no weight, and metrics
that are the judge's are compared within one judge alone."""


def repeats(one: Recipe, other: Recipe) -> bool:
    """Whether two recipes do the same but for the seed, the precision and the judge."""
    return digest(one) == digest(other)


def protocols_of(recipe: Recipe) -> tuple[str, ...]:
    """The protocols under which a recipe is that of its row, but for what repeats may differ in.

    Both, where the row has so few epochs that the short protocol changes nothing.
    """
    if recipe.row not in row_names():
        return ()
    own = digest(recipe)
    return tuple(p for p in protocols(recipe.row) if _row_digest(recipe.row, p) == own)


def protocol_of(recipe: Recipe) -> str | None:
    """The first of them; None if the settings are the row's under none."""
    return next(iter(protocols_of(recipe)), None)


def rows_alike(row: str) -> tuple[str, ...]:
    """The rows of a study that are the same system by several names, `row` among them."""
    return _alike()[row]


def digest(recipe: Recipe) -> str:
    """What a recipe does, in 16 hexadecimal digits, without the seed, the precision and the judge.

    Of the settings that aren't left at their defaults: a setting that is added to the package
    changes no digest of before.
    """
    wanted = {name: value for name, value in _set(recipe) if name.split(".")[0] in SETTINGS}
    kept = {name: value for name, value in wanted.items() if name not in OWN}
    text = json.dumps([IDENTITY, kept], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def changes(recipe: Recipe) -> tuple[str, ...]:
    """What a recipe of a row changes in it, as overrides; none where it is one of its protocols.

    Paths of the machine are written as PATH.

    >>> from wye.recipe import resolve
    >>> changes(resolve("joint/v4-l2", {"loss": {"beta": 0.5}}))
    ('loss.beta=0.5',)
    """
    if protocols_of(recipe):
        return ()
    row = recipe_from_row(recipe.row)
    own, base = flat(recipe), flat(row)
    if recipe.train.schedule.kind != row.train.schedule.kind:
        for one, of in ((own, recipe), (base, row)):  # another kind is replaced whole
            for key in [key for key in one if key.startswith("train.schedule.")]:
                del one[key]
            one["train.schedule"] = written(of.train.schedule.model_dump(mode="json"))
    differing = [key for key in own if own[key] != base.get(key) and key not in OWN]
    return tuple(f"{key}={PATH.sub('PATH', own[key])}" for key in differing)


def flat(recipe: Recipe) -> dict[str, str]:
    """What a recipe sets, flat: dotted key to value, as it would be written behind `=`."""
    found: dict[str, str] = {}

    def walk(value: Any, key: str) -> None:
        if isinstance(value, Mapping) and value:
            for name, entry in value.items():
                walk(entry, f"{key}.{name}" if key else str(name))
        else:
            found[key] = written(value)

    walk(recipe.model_dump(mode="json", include={*SETTINGS} - {"seed"}), "")
    return found


def written(value: Any) -> str:
    """A value as it is written in an override."""
    if value is None:
        return "none"
    if isinstance(value, str) and value:
        try:
            if yaml_text.load(value) == value:
                return value
        except yaml_text.FAULTS:
            return value  # which an override takes for text as well
    text: str = yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...")


def _set(model: BaseModel, path: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted name and plain value of every setting that isn't at its default.

    The kind of a schedule stands there always: each kind is its own default.
    """
    for name, field in type(model).model_fields.items():
        value, key = getattr(model, name), f"{path}{name}"
        if isinstance(value, BaseModel):
            yield from _set(value, f"{key}.")
        elif isinstance(value, tuple) and any(isinstance(entry, BaseModel) for entry in value):
            yield key, [dict(_set(entry)) for entry in value if isinstance(entry, BaseModel)]
        elif name == "kind" or value != field.get_default(call_default_factory=True):
            yield key, model.model_dump(mode="json", include={name})[name]


@cache
def _row_digest(row: str, protocol: str) -> str:
    return digest(recipe_from_row(row, protocol))


@cache
def _alike() -> dict[str, tuple[str, ...]]:
    groups: dict[str, list[str]] = {}
    for name in row_names():
        settings = row_settings(name)
        done = {key: value for key, value in settings.items() if key not in {*OWN_KEYS, "row"}}
        done.pop("published_data")
        groups.setdefault(json.dumps(done, sort_keys=True, default=str), []).append(name)
    return {name: tuple(group) for group in groups.values() for name in group}

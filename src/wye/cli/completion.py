"""What a shell completes: rows, studies, settings with their values, and run folders.

Where nothing fits, the shell completes files by itself. `wye --install-completion` sets it up.
"""

from __future__ import annotations

import os
import re
import sys
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer import Context

VARIABLE = "_WYE_COMPLETE"
"""By which a shell asks for completions."""


def rows(incomplete: str) -> list[str]:
    """Rows of all studies."""
    from wye.studies.load import row_names

    return [name for name in row_names() if name.startswith(incomplete)]


def study_names(incomplete: str) -> list[str]:
    """Studies."""
    from wye.studies.load import studies

    return [name for name in studies() if name.startswith(incomplete)]


def datasets(incomplete: str) -> list[str]:
    """Data sets that are known by name."""
    from wye.data.catalog import DATASETS
    from wye.data.sources import load  # noqa: F401  (enters them)

    return [name for name in DATASETS if name.startswith(incomplete)]


def run_folders(incomplete: str) -> list[str]:
    """Run folders under `runs`, or under the folder that is begun."""
    from wye.runs.folder import RUNS
    from wye.runs.run import find_runs

    begun = incomplete.rpartition("/")[0]
    under = RUNS if not begun or RUNS.as_posix().startswith(begun) else Path(begun)
    found = (str(run.path) for run in find_runs(under))
    return [path for path in found if path.startswith(incomplete)]


def rows_and_runs(incomplete: str) -> list[str]:
    """What can be compared."""
    return [*rows(incomplete), *run_folders(incomplete)]


def settings(context: Context, incomplete: str) -> list[str]:
    """`key=` of a recipe's settings, and `key=value` where one key is left.

    A value is one of those that can be chosen, or else the default, to be changed.
    """
    known = _known()
    words = [word for given in context.params.values() if isinstance(given, list) for word in given]
    if words[-1:] == ["="] and len(words) > 1:  # bash takes `key=value` for three words
        return [value for value in known.get(words[-2], []) if value.startswith(incomplete)]
    key, mark, _ = incomplete.partition("=")
    found = [name for name in known if (name == key if mark else name.startswith(key))]
    if len(found) != 1:
        return [f"{name}=" for name in found]
    return [f"{found[0]}={value}" for value in known[found[0]] or [""]]


def targets(context: Context, incomplete: str) -> list[str]:
    """What `wye study` takes: studies, rows and settings."""
    found = [*study_names(incomplete), *rows(incomplete)]
    return found or settings(context, incomplete)


def join_words() -> None:
    """Let bash's empty word behind `key=` be empty: it gives the mark for the word.

    Ends the process, in silence, where no shell can have asked so.
    """
    if "bash" not in os.environ.get(VARIABLE, "") or "complete" not in os.environ[VARIABLE]:
        return
    words = os.environ.get("COMP_WORDS", "").split()
    number = os.environ.get("COMP_CWORD", "")
    if not words or not re.fullmatch(r"[0-9]{1,6}", number):
        sys.exit(0)
    if words[int(number) :] == ["="]:
        os.environ["COMP_CWORD"] = str(int(number) + 1)


def _known() -> dict[str, list[str]]:
    """The settings that can be changed, each with its values."""
    from wye.objective import TERMS
    from wye.recipe.schema import SETTINGS, Recipe
    from wye.studies.load import PARTS

    known = {key: found for key, found in _settings_of(Recipe, "") if key.split(".")[0] in SETTINGS}
    known["data"] = known["data.name"] = datasets("")
    short = {name: known[f"network.{name}"] for name in PARTS}
    weights = {term.weight: known.get(f"loss.{term.weight}", []) for term in TERMS.values()}
    return {**known, **short, **weights}


def _settings_of(model: Any, prefix: str) -> Iterator[tuple[str, list[str]]]:
    from wye.recipe.overrides import model_of
    from wye.recipe.schedules import KINDS
    from wye.wording import written

    for name in model.known():
        field = model.model_fields.get(name)
        below = model_of(field) if field else None
        if field is None:
            yield f"{prefix}{name}", []
        elif below in KINDS.values():
            yield f"{prefix}{name}", list(KINDS)
        elif below is not None and "tuple" not in str(field.annotation):
            yield from _settings_of(below, f"{prefix}{name}.")
        else:
            default = field.get_default()
            plain = isinstance(default, str | int | float) and default != ""
            yield f"{prefix}{name}", _choices(field.annotation) or [written(default)] * plain


def _choices(annotation: Any) -> list[str]:
    """The words that a setting may be, where it may be no other."""
    if annotation is bool:
        return ["true", "false"]
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return [str(value) for value in inner]
    if origin in (typing.Union, types.UnionType, typing.Annotated):
        return [choice for part in inner for choice in _choices(part)]
    return []

"""Reading study files and laying a row over what it shares with others."""

from __future__ import annotations

from functools import cache
from importlib import resources
from itertools import product
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from wye import yaml_text
from wye.errors import UsageError
from wye.registry import suggest
from wye.wording import shown, wording

# What belongs to one row alone: a row that is `like` another doesn't take these over.
OWN_KEYS = (
    *("source", "title", "published", "corrected", "notes", "why", "control_of", "like", "factors"),
)
APART = ("like", "why")
"""Those of them that are no part of the row's recipe: `why` says, by metric, why it is measured far
from what was published."""

PARTS = ("encoder", "decoder", "classifier")
"""Settings of `network` that may stand at the top of a recipe."""


def merge(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`over` laid on `under`, key by key where both hold mappings.

    A mapping that names another kind (of schedule) replaces the one below it whole.
    """
    merged = dict(under)
    for key, value in over.items():
        below = merged.get(key)
        if isinstance(value, dict) and isinstance(below, dict) and "kind" not in value:
            merged[key] = merge(below, value)
        else:
            merged[key] = value
    return merged


class Source(BaseModel):
    """Where a study was published."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    where: str


class Grid(BaseModel):
    """A full factorial design: one row for each combination of levels.

    A row is named by its levels, joined by dashes in the order of the factors.

    Attributes:
        like: the row under all of them; none is the study's `shared` alone.
        factors: factor to level to what the level sets.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    like: str | None = None
    factors: dict[str, dict[str, dict[str, Any]]] = Field(min_length=1)

    def rows(self) -> dict[str, dict[str, Any]]:
        """Row name to settings, with the row's levels as `factors`."""
        rows: dict[str, dict[str, Any]] = {}
        for levels in product(*(factor.items() for factor in self.factors.values())):
            settings: dict[str, Any] = {"like": self.like} if self.like else {}
            for _, level in levels:
                settings = merge(settings, level)
            names = [name for name, _ in levels]
            settings["factors"] = dict(zip(self.factors, names, strict=True))
            rows["-".join(names)] = settings
        return rows


class Study(BaseModel):
    """A study file.

    Attributes:
        title: one line.
        about: what the study asked, in a few sentences.
        withdrawn: why what was measured of it no longer stands; empty where it does.
        shared: recipe settings of every row.
        short: settings of every row under the protocol `short`: fewer epochs, the same for all.
        grids: rows made of the levels of some factors; they join `rows`.
        rows: row name to what is particular to the row.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    source: Source | None = None
    about: str = ""
    withdrawn: str = ""
    notes: list[str] = Field(default_factory=list)
    shared: dict[str, Any] = Field(default_factory=dict)
    short: dict[str, Any] = Field(default_factory=dict)
    grids: list[Grid] = Field(default_factory=list)
    rows: dict[str, dict[str, Any]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _grids_make_rows(self) -> Study:
        for grid in self.grids:
            for name, row in grid.rows().items():
                if name in self.rows:
                    raise ValueError(f"row {name!r} is there twice, once by a grid")
                self.rows[name] = row
        return self


def load_study(path: Path) -> Study:
    """Read a study file.

    Raises:
        UsageError: the file is not a study; the message names the key.
    """
    try:
        content = yaml_text.load(path.read_text())
        return Study.model_validate(content)
    except yaml.YAMLError as error:
        raise UsageError(f"{path.name} is not YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{path.name}: {where}: {wording(first)}") from None


@cache
def studies() -> dict[str, Study]:
    """The studies that come with the package, by name."""
    folder = resources.files("wye.studies")
    files = sorted(Path(str(entry)) for entry in folder.iterdir() if entry.name.endswith(".yaml"))
    return {path.stem: load_study(path) for path in files}


def row_names() -> list[str]:
    """Every row of every study, as `study/row`."""
    return [f"{name}/{row}" for name, study in studies().items() for row in study.rows]


def row_settings(name: str, among: dict[str, Study] | None = None) -> dict[str, Any]:
    """The settings of row `study/row`, with what is shared and what it is like laid under it.

    Raises:
        UsageError: no such study or row, or rows that are like each other in a circle.
    """
    known = studies() if among is None else among
    study_name, _, row_name = name.partition("/")
    if study_name not in known or row_name not in known[study_name].rows:
        raise UsageError(_no_such_row(name, known))
    study = known[study_name]
    merged = merge(_chain(study, row_name, ()), {})
    row = study.rows[row_name]
    published_data = merged.get("data", {}).get("name") if row.get("published") else None
    own = {key: row[key] for key in OWN_KEYS if key in row and key not in APART}
    own["notes"] = [*study.notes, *row.get("notes", [])]
    header = {"row": name, "study": study_name, "published_data": published_data}
    return {**merged, **own, **header}


def _no_such_row(name: str, known: dict[str, Study]) -> str:
    if name in known:
        some = [f"{name}/{row}" for row in known[name].rows][:3]
        return (
            f"{name} is a study; name one of its {len(known[name].rows)} rows, for instance"
            f" {', '.join(some)} (`wye list {name}` shows all of them)"
        )
    names = [f"{key}/{row}" for key, study in known.items() for row in study.rows]
    study, _, row = name.rpartition("/")
    near = [other for other in names if other.startswith(f"{study}/")] if study else []
    called = [other for other in names if row and other.endswith(f"/{row}")]
    if called and not near:
        wanted = f"did you mean {' or '.join(map(repr, called))}?"
    else:
        wanted = suggest(name, near or names)
    return f"there is no row {shown(name)}; {wanted} (`wye list` shows every row)"


def _chain(study: Study, row_name: str, seen: tuple[str, ...]) -> dict[str, Any]:
    if row_name in seen:
        raise UsageError(f"rows are like each other in a circle: {' > '.join((*seen, row_name))}")
    row = study.rows[row_name]
    if (base := row.get("like")) is None:
        under = normalized(study.shared)
    elif base in study.rows:
        under = _chain(study, base, (*seen, row_name))
    else:
        raise UsageError(
            f"row {row_name!r} is like {base!r}, which is no row; {suggest(base, study.rows)}"
        )
    own = {key: value for key, value in row.items() if key not in OWN_KEYS}
    return merge(under, normalized(own))


def normalized(settings: dict[str, Any]) -> dict[str, Any]:
    """Spell out the short forms: `encoder` at the top, `data: cifar10`."""
    full = dict(settings)
    for part in PARTS:
        network = full.get("network", {})
        if part in full and isinstance(network, dict):
            full["network"] = {**network, part: full.pop(part)}
    if isinstance(full.get("data"), str):
        full["data"] = {"name": full["data"]}
    return full

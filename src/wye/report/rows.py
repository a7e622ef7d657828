"""Runs put together: several seeds of one recipe are one row of the report."""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeGuard, cast

from wye.evidence.splits import summary
from wye.metrics import Spread, figures, ordered, spread
from wye.recipe.schema import SETTINGS, Recipe
from wye.runs.folder import Run

TRUNCATED = "truncated"
"""Status of a run that a limit on its steps ended: a trial, not a measurement."""
TRAINING = {"train_loss", "train_seconds"}
"""Figures of training, which are metrics only where a study published them."""


class RunLike(Protocol):
    """What the report reads of a run folder."""

    @property
    def path(self) -> Path: ...
    @property
    def recipe(self) -> Recipe: ...
    @property
    def result(self) -> Mapping[str, Any] | None: ...
    @property
    def metrics(self) -> Sequence[Mapping[str, Any]]: ...
    @property
    def environment(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class Row:
    """The runs of one recipe, one a seed, lowest seed first.

    Attributes:
        anchor: name of the row's section within the page.
        repeated: seeds that were run more than once; only the first finished run of each counts.
        apart: the settings in which it differs from rows that would else be named alike.
    """

    runs: tuple[RunLike, ...]
    anchor: str
    repeated: tuple[int, ...] = ()
    apart: tuple[str, ...] = ()

    @property
    def recipe(self) -> Recipe:
        return self.lead.recipe

    @property
    def finished(self) -> list[RunLike]:
        """Runs that have a result."""
        return [run for run in self.runs if run.result is not None]

    @property
    def lead(self) -> RunLike:
        """The run whose pictures are shown: the lowest seed that has a result, else the lowest."""
        return (self.finished or list(self.runs))[0]

    @property
    def overrides(self) -> list[str]:
        """What was changed in the row: as it was typed, and what tells it from its like."""
        return [*overrides(self.lead), *self.apart]

    @property
    def foreign(self) -> bool:
        """Whether there are published numbers, and they belong to another data set."""
        return any(value is not None for value in self.published.values()) and not self.comparable

    @property
    def published(self) -> dict[str, float | None]:
        """Published figures by the metric that they are of."""
        return self.recipe.printed()

    def reference(self, name: str) -> float | None:
        """What figure `name` is compared with: the corrected one where there is one."""
        return self.recipe.reference(name)

    @property
    def comparable(self) -> bool:
        """Whether the published numbers were measured on the data set of these runs."""
        home = self.recipe.published_data
        if home is not None:
            return home == self.recipe.data.name
        return not any(word.startswith(("data=", "data.name=")) for word in self.overrides)

    @property
    def truncated(self) -> bool:
        """Whether these runs ended before their recipe did."""
        return (self.lead.result or {}).get("status") == TRUNCATED

    @property
    def metric_names(self) -> list[str]:
        """Every metric that was measured or published."""
        measured = {name for run in self.finished for name in figures(run.result or {})}
        return ordered((measured - TRAINING) | set(self.published) | set(self.recipe.corrected))

    def measured(self, name: str) -> Spread | None:
        """Figure `name` over the finished seeds."""
        return spread(self.figures(name))

    def figures(self, name: str) -> list[float]:
        """Figure `name` of each result that has it, in the order of seeds."""
        found = (figures(run.result or {}) for run in self.finished)
        return [each[name] for each in found if name in each]

    def best_split(self) -> dict[str, dict[str, Any]]:
        """Metric to `{"value", "seed"}` of the random split with the best test figure.

        For accuracy and what was published, where the study ran several splits and so many as two
        were run here.
        """
        if self.recipe.evaluation.splits == 1 or len(self.finished) < 2:
            return {}
        shown = {"accuracy", *self.published}
        found = summary(cast("list[Run]", self.finished))  # it reads what a RunLike has
        return {name: of["best"] for name, of in found.items() if name in shown}

    def optimistic(self) -> Spread | None:
        """Accuracy of the epoch that happened to be best on the test set, where watched."""
        return spread(self.each("best_on_test", "accuracy"))

    def each(self, part: str, name: str) -> list[float]:
        """Number `name` in section `part` of each result that has it, in the order of seeds."""
        found = (section(run, part).get(name) for run in self.finished)
        return [float(value) for value in found if is_number(value)]

    def difference(self, name: str) -> float | None:
        """Measured mean less what it is compared with; None where the two can't be compared."""
        published, measured = self.reference(name), self.measured(name)
        if published is None or measured is None or not self.comparable or self.truncated:
            return None
        return measured.mean - published if math.isfinite(measured.mean) else None


def is_number(value: object) -> TypeGuard[float]:
    """Whether `value` is a number (a truth value isn't)."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def section(run: RunLike, name: str) -> Mapping[str, Any]:
    """A mapping inside a run's result, empty where it is absent."""
    found = (run.result or {}).get(name)
    return found if isinstance(found, Mapping) else {}


def command_words(run: RunLike) -> list[str]:
    """The words of the command that made `run`; none if it wasn't written down.

    Nor are those of a command for another run, which needed this one.
    """
    command = run.environment.get("command") or []
    if not isinstance(command, str):
        return [str(word) for word in command]
    if command.endswith(f"(needs {run.recipe.row})"):
        return []
    try:
        return shlex.split(command)
    except ValueError:  # an unbalanced quotation mark
        return command.split()


def overrides(run: RunLike) -> list[str]:
    """The `key=value` words of the run's command, except the seed."""
    found = [w for w in command_words(run) if re.match(r"[a-z_]+(\.[a-z_]+)*=", w)]
    return [word for word in found if not word.startswith("seed=")]


def group(runs: Sequence[RunLike]) -> list[Row]:
    """Runs of the same recipe put together; rows ordered by study, source and name."""
    by_recipe: dict[str, list[RunLike]] = {}
    for run in runs:
        by_recipe.setdefault(_identity(run), []).append(run)
    rows: list[Row] = []
    anchors: set[str] = set()
    studies = _study_order(runs)
    for members in sorted(by_recipe.values(), key=lambda group: _place(group[0].recipe, studies)):
        first: dict[int, RunLike] = {}
        for run in sorted(members, key=lambda run: (run.recipe.seed, run.result is None)):
            first.setdefault(run.recipe.seed, run)
        seeds = [run.recipe.seed for run in members]
        repeated = tuple(sorted({seed for seed in seeds if seeds.count(seed) > 1}))
        anchor = _anchor(members[0].recipe.row, anchors)
        rows.append(Row(tuple(first.values()), anchor, repeated))
    return _told_apart(rows)


def _told_apart(rows: Sequence[Row]) -> list[Row]:
    """The rows, those that would be named alike with the settings that they differ in."""
    alike: dict[tuple[str, ...], list[dict[str, str]]] = {}
    for row in rows:
        alike.setdefault((row.recipe.row, *row.overrides), []).append(flat(row.recipe))
    told = []
    for row in rows:
        others = alike[(row.recipe.row, *row.overrides)]
        own = flat(row.recipe)
        apart = [f"{k}={v}" for k, v in own.items() if any(o.get(k) != v for o in others)]
        told.append(replace(row, apart=tuple(apart[:4])))
    return told


def flat(recipe: Recipe) -> dict[str, str]:
    """What a recipe sets, flat: dotted key to value as text."""
    found: dict[str, str] = {}

    def walk(value: Any, key: str) -> None:
        if isinstance(value, Mapping):
            for name, entry in value.items():
                walk(entry, f"{key}.{name}" if key else str(name))
        else:
            found[key] = "none" if value is None else str(value)

    walk(recipe.model_dump(mode="json", include={"row", *SETTINGS} - {"seed"}), "")
    return found


def _identity(run: RunLike) -> str:
    """What was set but for the seed: runs that agree in it are repetitions of each other."""
    truncated = (run.result or {}).get("status") == TRUNCATED
    return json.dumps([flat(run.recipe), truncated], sort_keys=True)


def _natural(source: str | None) -> list[tuple[int, str]]:
    """A key that puts S0-9 before S0-10 and what has no source last."""
    parts = re.findall(r"[0-9]+|[^0-9]+", source) if source else ["\U0010ffff"]
    return [(int(part), "") if part.isdigit() else (0, part) for part in parts]


def _study_order(runs: Sequence[RunLike]) -> list[str]:
    """Studies in the order of their first source."""
    keys: dict[str, tuple[list[tuple[int, str]], str]] = {}
    for recipe in (run.recipe for run in runs):
        study = recipe.study or ""
        place = (_natural(recipe.source), study)
        keys[study] = min(keys.get(study, place), place)
    return sorted(keys, key=lambda study: keys[study])


def _place(recipe: Recipe, studies: list[str]) -> tuple[int, list[tuple[int, str]], str]:
    return studies.index(recipe.study or ""), _natural(recipe.source), recipe.row


def _anchor(name: str, taken: set[str]) -> str:
    """A distinct name for a section, made of the letters of the row's name."""
    stem = "row-" + (re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "unnamed")
    anchor, count = stem, 1
    while anchor in taken:
        count += 1
        anchor = f"{stem}-{count}"
    taken.add(anchor)
    return anchor

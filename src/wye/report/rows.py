"""A row of the report: the runs of one recipe, and what they measured."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeGuard

from wye.evidence.splits import summary
from wye.metrics import Spread, metric, metrics_of, ordered, spread
from wye.recipe import recipe_from_row
from wye.recipe.measured import caveat
from wye.recipe.schema import Recipe
from wye.runs.run import Run

if TYPE_CHECKING:
    from wye.data.inspection import Inspection

TRUNCATED = "truncated"
"""Status of a run that a limit on its steps ended: a trial, not a measurement."""
PAPER, SHORT = "paper", "short"
"""Standing of runs that are a study's row under that protocol."""
CHANGED = "changed"
"""Standing of runs of a study's row with other settings than the row has under any protocol."""
OWN = "own"
"""Standing of runs that are of no study's row, or on own images."""
TRAINING = {"train_loss", "train_seconds"}
"""Figures of training, which are metrics only where a study published them."""


@dataclass(frozen=True)
class Row:
    """The runs of one recipe, one a seed, lowest seed first.

    Attributes:
        standing: the protocol under which the runs are a study's row (`paper`, `short`), told by
            their settings; `changed` if they are it under none, `own` if there is no such row.
        anchor: name of the row's section within the site.
        repeated: seeds that were run more than once; only the first finished run of each counts.
        apart: the settings in which it differs from rows that would else be named alike.
    """

    runs: tuple[Run, ...]
    standing: str
    anchor: str = ""
    repeated: tuple[int, ...] = ()
    apart: tuple[str, ...] = ()

    @property
    def recipe(self) -> Recipe:
        return self.lead.recipe

    @property
    def finished(self) -> list[Run]:
        """Runs that have a result."""
        return [run for run in self.runs if run.result is not None]

    @property
    def lead(self) -> Run:
        """The run whose pictures are shown: the lowest seed that has a result, else the lowest."""
        return (self.finished or list(self.runs))[0]

    @property
    def study(self) -> str:
        """The study that it is a row of; empty if of none."""
        return "" if self.standing == OWN else self.recipe.row.partition("/")[0]

    @property
    def images(self) -> Inspection | None:
        """The own images that it was trained on; None of a data set by name."""
        return self.lead.inspection

    @property
    def data(self) -> str:
        """What its images are called."""
        return self.recipe.data.name if self.images is None else self.images.name

    @property
    def typed(self) -> list[str]:
        """The overrides of the command; none for a row that is as its study has it."""
        return overrides(self.lead) if self.standing in (CHANGED, OWN) else []

    @property
    def overrides(self) -> list[str]:
        """What was changed in the row: as it was typed, and what tells it from its like."""
        return [*self.typed, *self.apart]

    @cached_property
    def protocol(self) -> str:
        """What a reader must know of how it was run; empty if as published."""
        if self.standing == SHORT:
            published = recipe_from_row(self.recipe.row).train.epochs
            return f"short: {self.recipe.train.epochs} epochs instead of {published}"
        return "changed settings" if self.standing == CHANGED else ""

    @property
    def foreign(self) -> bool:
        """Whether there are published numbers, and they belong to another data set."""
        return any(value is not None for value in self.published.values()) and not self.at_home

    @property
    def published(self) -> dict[str, float | None]:
        """Published figures by the metric that they are of; none of own images."""
        return self.recipe.printed() if self.images is None else {}

    @property
    def corrected(self) -> dict[str, float]:
        """What printed figures should have been, by metric; none of own images."""
        return self.recipe.corrected if self.images is None else {}

    def reference(self, name: str) -> float | None:
        """What figure `name` is compared with: the corrected one where there is one."""
        return self.corrected.get(name, self.published.get(name))

    @property
    def comparable(self) -> bool:
        """Whether the published numbers are of what these runs did, and on the same data set.

        A study's row must be as published: not shortened, nothing changed.
        """
        return self.standing in (PAPER, OWN) and self.at_home

    @property
    def _other_judge(self) -> bool:
        """Whether these runs are judged by another classifier than the study's row is."""
        if self.standing == OWN:
            return False
        own = recipe_from_row(self.recipe.row).evaluation.judge
        return own not in ("self", self.recipe.evaluation.judge)

    @property
    def at_home(self) -> bool:
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
        measured = {name for run in self.finished for name in metrics_of(run.result or {})}
        return ordered((measured - TRAINING) | set(self.published) | set(self.corrected))

    def caveat(self, name: str) -> str:
        """Why figure `name` says nothing of these runs; empty where it does."""
        return caveat(self.recipe, name)

    def measured(self, name: str) -> Spread | None:
        """Figure `name` over the finished seeds."""
        return spread(self.figures(name))

    def figures(self, name: str) -> list[float]:
        """Figure `name` of each result that has it, in the order of seeds."""
        found = (metrics_of(run.result or {}) for run in self.finished)
        return [each[name] for each in found if name in each]

    def best_split(self) -> dict[str, dict[str, Any]]:
        """Metric to `{"value", "seed"}` of the random split with the best test figure.

        For accuracy and what was published, where the study ran several splits and so many as two
        were run here.
        """
        if self.recipe.evaluation.splits == 1 or len(self.finished) < 2:
            return {}
        shown = {"accuracy", *self.published}
        found = summary(self.finished)
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
        if "judge" in metric(name).needs and self._other_judge:
            return None
        return measured.mean - published if math.isfinite(measured.mean) else None


def is_number(value: object) -> TypeGuard[float]:
    """Whether `value` is a number (a truth value isn't)."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def section(run: Run, name: str) -> Mapping[str, Any]:
    """A mapping inside a run's result, empty where it is absent."""
    found = (run.result or {}).get(name)
    return found if isinstance(found, Mapping) else {}


def command_words(run: Run) -> list[str]:
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


def overrides(run: Run) -> list[str]:
    """The `key=value` words of the run's command, except the seed."""
    found = [w for w in command_words(run) if re.match(r"[a-z_]+(\.[a-z_]+)*=", w)]
    return [word for word in found if not word.startswith("seed=")]

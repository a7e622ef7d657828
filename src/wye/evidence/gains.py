"""What each arm of the study `when` gains over the classifier alone, from its runs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from wye.evidence.collect import Runs, one_each
from wye.evidence.paired import differences, t_interval
from wye.metrics import Spread, spread
from wye.studies import studies

STUDY = "when"
BASE = "classifier"
"""The arm that the others are compared with."""


@dataclass(frozen=True)
class Gain:
    """Accuracy of an arm less that of the base line, paired by seed, in points.

    Attributes:
        n: the seeds that both have.
        low: end of the 95 % t interval of the mean; None of a single seed, and where all seeds gain
            the same, which tells nothing of the spread.
    """

    mean: float
    low: float | None
    high: float | None
    n: int

    @property
    def sign(self) -> int:
        """1 or -1 where the interval lies wholly on one side of zero, else 0."""
        if self.low is None or self.high is None:
            return 0
        return 1 if self.low > 0 else -1 if self.high < 0 else 0


@dataclass(frozen=True)
class Condition:
    """The arms on one kind of images and classes, by labels for a class.

    Attributes:
        base: labels to accuracy of the classifier alone, a share.
        gains: arm to labels to what it gains.
    """

    corruption: str
    balance: str
    base: dict[int, Spread] = field(default_factory=dict)
    gains: dict[str, dict[int, Gain]] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The condition in a few words."""
        return f"{self.corruption} images, {self.balance} classes"


@dataclass(frozen=True)
class Sweep:
    """Mean accuracy by the weights of classification (a line) and reconstruction (a column)."""

    alphas: list[str]
    betas: list[str]
    cells: dict[tuple[str, str], Spread]


Accuracies = tuple[Mapping[str, str], Mapping[int, float]]
"""The levels of a row, by factor, and its accuracy, by seed."""


def conditions(measured: Iterable[Accuracies]) -> list[Condition]:
    """The conditions in which some arm was run, in the order of the study file."""
    accuracy: dict[tuple[str, str], dict[tuple[int, str], Mapping[int, float]]] = {}
    for factors, of in measured:
        if {"arm", "labels", "corruption", "balance"} <= set(factors) and factors[
            "labels"
        ].isdigit():
            where = factors["corruption"], factors["balance"]
            accuracy.setdefault(where, {})[int(factors["labels"]), factors["arm"]] = of
    found = []
    for where in sorted(
        accuracy, key=lambda w: (_place("balance", w[1]), _place("corruption", w[0]))
    ):
        condition = Condition(*where)
        for (labels, arm), of in sorted(
            accuracy[where].items(), key=lambda item: (_place("arm", item[0][1]), item[0][0])
        ):
            if arm == BASE:
                if (base := spread(of.values())) is not None:
                    condition.base[labels] = base
            elif gain := _gain(of, accuracy[where].get((labels, BASE), {})):
                condition.gains.setdefault(arm, {})[labels] = gain
        found.append(condition)
    return found


def sweep(measured: Iterable[Accuracies]) -> Sweep | None:
    """The sweep of alpha and beta; None where no row of it was run."""
    cells = {
        (factors["alpha"], factors["beta"]): mean
        for factors, of in measured
        if {"alpha", "beta"} <= set(factors) and (mean := spread(of.values()))
    }
    if not cells:
        return None
    alphas, betas = ({pair[at] for pair in cells} for at in (0, 1))
    return Sweep(sorted(alphas, key=_number), sorted(betas, key=_number), cells)


def accuracies(runs: Runs, protocol: str) -> Iterator[Accuracies]:
    """What was measured of each row that the study's grids made, under a protocol."""
    known = studies()[STUDY].rows
    for (row, under), repeats in sorted(runs.items()):
        study, _, name = row.partition("/")
        if (study, under) != (STUDY, protocol) or not known.get(name, {}).get("factors"):
            continue
        each = one_each(repeats).items()
        of = {seed: run.metrics["accuracy"] for seed, run in each if "accuracy" in run.metrics}
        if of:
            yield known[name]["factors"], of


def _gain(of: Mapping[int, float], base: Mapping[int, float]) -> Gain | None:
    each = [100 * value for value in differences(of, base, sorted(of.keys() & base.keys()))]
    if (mean := spread(each)) is None:
        return None
    low, high = (t_interval(each) if len(each) > 1 else None) or (None, None)
    return Gain(mean.mean, low, high, mean.n)


def _place(factor: str, level: str) -> tuple[int, str]:
    """Where a level stands among its like: as in the study file, unknown ones last."""
    levels = levels_of(factor)
    return (levels.index(level), "") if level in levels else (len(levels), level)


def levels_of(factor: str) -> list[str]:
    """The levels of a factor in the study file, in order."""
    study = studies().get(STUDY)
    grids: Sequence[Mapping[str, Mapping[str, object]]] = [
        grid.factors for grid in (study.grids if study else [])
    ]
    return list(dict.fromkeys(level for factors in grids for level in factors.get(factor, {})))


def _number(level: str) -> float:
    try:
        return float(level)
    except ValueError:
        return math.inf

"""What to run next: the claim that is most likely decided for the time that it takes.

A look after each seed is allowed for (`wye.evidence.looks`). Which claim gets another seed follows
from the intervals of whole pairs and from the time that runs take, never from the value of a run
that has no partner yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from wye.errors import WyeError
from wye.evidence import looks
from wye.evidence.collect import Runs
from wye.evidence.costs import Costs
from wye.evidence.findings import Finding, findings
from wye.evidence.missing import lacking_weights
from wye.evidence.paired import POWER
from wye.jobs.plan import PlannedRun, plan
from wye.recipe import recipe_from_row
from wye.recipe.resolve import PROTOCOLS, protocols
from wye.recipe.schema import Recipe
from wye.runs.folder import RunFolder
from wye.runs.holding import finished_run

UNKNOWN = 0.5
"""Probability that a look decides a claim of whose spread nothing is known."""


@dataclass(frozen=True)
class Step:
    """The next runs of a claim.

    Attributes:
        runs: each behind its dependencies, some of which may be finished.
        left: those that are not.
        seconds: expected, one run after another.
        worth: probability of a verdict over the seconds that lead to it.
    """

    finding: Finding
    runs: tuple[PlannedRun, ...]
    left: tuple[PlannedRun, ...]
    seconds: float
    worth: float


def open_findings(runs: Runs, protocol: str | None, ids: Sequence[str] | None) -> list[Finding]:
    """What stands undecided, under each protocol whose runs could decide it.

    Claims that need ImageNet's weights are among them only where they are named.

    Args:
        protocol: the only one; None for any, and for `paper` alone where it has three seeds, whose
            verdict counts.

    Raises:
        UsageError: there is no such protocol, or no such claim.
    """
    undecided = [one for one in findings(runs, protocol, ids) if not _decided(one)]
    names = [one.claim.id for one in undecided]
    asked = (protocol,) if protocol else PROTOCOLS
    each = [one for under in asked if names for one in findings(runs, under, names)]
    settled = {one.claim.id: one.protocol for one in undecided if one.n >= looks.FIRST}
    return [
        one
        for one in each
        if settled.get(one.claim.id, one.protocol) == one.protocol
        and not (one.claim.whole and one.protocol != PROTOCOLS[0])
        and all(one.protocol in protocols(row) for row in one.claim.rows)
        and (ids or not lacking_weights(one.claim, one.protocol, runs))
    ]


def worth(seen: int, needed: int | None, seconds: float) -> float | None:
    """The probability of a verdict over the seconds that lead to it.

    Args:
        seen: seeds of the claim.
        needed: at which a look decides with probability 0.8; None where the spread is not known.
        seconds: of the next step: up to the first look, or one more seed.

    Returns:
        None where no look would decide.
    """
    if seen < looks.FIRST or needed is None:
        return UNKNOWN / max(1.0, seconds)
    return POWER / max(1.0, seconds * (needed - seen)) if needed <= looks.LAST else None


def step(
    finding: Finding,
    runs: Runs,
    costs: Costs,
    machine: str,
    root: Path,
) -> Step | None:
    """The next runs of a claim: up to the first look, or of one more seed.

    Args:
        machine: that the runs will be made on; pairs are of one.
        root: the folder of runs.

    Returns:
        None where no look would decide it, and where no seed is left that its rows could have.
    """
    planned = plan(_next(finding, runs, machine), root)
    left = [run for run in planned if not finished(run)]
    seconds = sum(costs.seconds(run.recipe) for run in left)
    value = worth(finding.n, finding.runs_needed, seconds)
    if value is None or not left:
        return None
    return Step(finding, tuple(planned), tuple(left), seconds, value)


def best(steps: Iterable[Step]) -> Step | None:
    """The step of most worth."""
    return max(steps, key=lambda one: one.worth, default=None)


def finished(run: PlannedRun) -> bool:
    """Whether a run is finished."""
    try:
        return finished_run(run.recipe, RunFolder(run.folder)) is not None
    except WyeError:
        return False  # its worker says what is wrong


def _next(finding: Finding, runs: Runs, machine: str) -> list[Recipe]:
    """The recipes of the next seeds of a claim's rows that lack a run on this machine."""
    rows, protocol = finding.claim.rows, finding.protocol
    splits = [recipe_from_row(row).evaluation.splits for row in rows]
    count, wanted = max(looks.FIRST - finding.n, 1), []
    for seed in range(min([looks.LAST, *(each for each in splits if each > 1)])):
        without = [
            row
            for row in rows
            if all(one.machine != machine for one in runs.get((row, protocol), {}).get(seed, []))
        ]
        if seed in finding.seeds or not without:
            continue  # paired already, or by runs that don't pair: of other precisions, say
        for row in without:
            recipe = recipe_from_row(row, protocol)
            wanted.append(recipe.model_copy(update={"seed": seed}))
        count -= 1
        if not count:
            break
    return wanted


def _decided(finding: Finding) -> bool:
    return finding.verdict in ("supported", "refuted")

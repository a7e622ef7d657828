"""Why a claim has no interval: which of its rows have no runs, and the command that makes them."""

from __future__ import annotations

from wye.evidence.claims import Claim
from wye.evidence.collect import Runs
from wye.evidence.looks import FIRST
from wye.metrics import metric
from wye.network.weights import needs_weights
from wye.recipe import recipe_from_row
from wye.recipe.resolve import PROTOCOLS


def lacking_weights(claim: Claim, protocol: str, runs: Runs) -> list[str]:
    """The rows of a claim that have no run, and can have none without ImageNet's weights."""
    without = (row for row in claim.rows if (row, protocol) not in runs)
    return [row for row in without if needs_weights(recipe_from_row(row))]


def why_no_interval(claim: Claim, protocol: str, runs: Runs, n: int) -> str:
    """What a claim of `n` seeds lacks for an interval, and the command for it, in a line."""
    command = f"wye study --decide {claim.id} --hours 8"
    return f"{_lacking(claim, protocol, runs, n)}: {command}"


def _lacking(claim: Claim, protocol: str, runs: Runs, n: int) -> str:
    if claim.whole and protocol != PROTOCOLS[0]:
        return "shorter trainings say nothing of it"
    if without := [row for row in claim.rows if (row, protocol) not in runs]:
        lacking = lacking_weights(claim, protocol, runs)
        weights = f"{', '.join(lacking)} with ImageNet's weights; " if lacking else ""
        return f"{weights}no run of {', '.join(without)}"
    if unmeasured := [
        row
        for row in claim.rows
        if not any(claim.metric in one.metrics for of in runs[row, protocol].values() for one in of)
    ]:
        label = metric(claim.metric).label.lower()
        whose = (
            ", which is one machine's and not shipped" if claim.metric == "train_seconds" else ""
        )
        return f"the runs of {', '.join(unmeasured)} have no {label}{whose}"
    if n == 0:
        return "no seed has runs of all rows by one machine, precision and judge"
    return f"{'one seed' if n == 1 else f'{n} seeds'}, and the first look is at {FIRST}"

"""Why a claim has no interval: which of its rows have no runs, and the command that makes them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

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
    if claim.whole and protocol != PROTOCOLS[0]:
        return f"shorter trainings say nothing of it: {_command(claim.rows, PROTOCOLS[0])}"
    if without := [row for row in claim.rows if (row, protocol) not in runs]:
        lacking = lacking_weights(claim, protocol, runs)
        weights = f"{_listed(lacking)} with ImageNet's weights; " if lacking else ""
        return f"{weights}no run of {_listed(without)}: {_command(without, protocol)}"
    if unmeasured := [
        row
        for row in claim.rows
        if not any(claim.metric in one.metrics for of in runs[row, protocol].values() for one in of)
    ]:
        label = metric(claim.metric).label.lower()
        some = f"the runs of {_listed(unmeasured)} have no {label}"
        if claim.metric == "train_seconds":
            some += ", which is one machine's and never shipped"
        return f"{some}: {_command(unmeasured, protocol)}"
    if n == 0:
        some = "no seed has runs of all rows by one machine, precision and judge"
        return f"{some}: {_command(claim.rows, protocol)}"
    seeds = "one seed" if n == 1 else f"{n} seeds"
    return f"{seeds}, and the first look is at {FIRST}: {_command(claim.rows, protocol)}"


def _listed(rows: Sequence[str]) -> str:
    return ", ".join(rows)


def _command(rows: Sequence[str], protocol: str) -> str:
    under = [] if protocol == PROTOCOLS[0] else ["--protocol", protocol]
    return shlex.join(["wye", "study", *rows, *under, "--seeds", str(FIRST)])

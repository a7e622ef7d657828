"""The page of the claims: how verdicts are reached, how sure they are, and each of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from markup import cell, table
from published_table import figure, verdicts

from wye.evidence.findings import Finding
from wye.evidence.looks import FIRST, LAST
from wye.evidence.verdict import VERDICTS
from wye.report.claims_page import HOW, MEANINGS
from wye.studies import studies

SIMULATED = Path(__file__).parent / "looks.json"
HEADINGS = ("claim", "what is said", "published", "effect", "95 % interval", "n", "p", "verdict")


def claims(found: Sequence[Finding]) -> str:
    """The page.

    Args:
        found: what the records that come with the package say of each claim.
    """
    count = Counter(one.verdict for one in found)
    counted = ", ".join(f"{count[verdict]} {verdict}" for verdict in VERDICTS)
    parts = [
        "# The claims",
        f"**{len(found)} claims of the five studies: {counted}.** Each names rows that can be run;"
        " what is said here follows from the records of runs that come with the package, and"
        " `wye claims` says the same of them and of the runs that are here. This page is written by"
        " `make docs`; the claims are in `src/wye/evidence/claims.yaml`.",
        "## How a verdict is reached",
        "\n".join(f"- **{verdict}**: {meaning}." for verdict, meaning in MEANINGS),
        *HOW,
        "## How sure that is",
        _simulated(),
    ]
    for name in dict.fromkeys(one.claim.study for one in found):
        own = [one for one in found if one.claim.study == name]
        parts += [
            f"## {name}",
            f"[{studies()[name].title}](studies/{name}.md). {verdicts(name, found, '')}",
            table(HEADINGS, map(_line, own)),
        ]
        if lacking := [f"- {one.claim.id}: {cell(one.reason)}" for one in own if one.reason]:
            parts += ["What claims without an interval lack:", "\n".join(lacking)]
    return "\n\n".join(parts) + "\n"


def _simulated() -> str:
    values = json.loads(SIMULATED.read_text())
    assert values["looks"] == [FIRST, LAST], "the rule has changed: python -m benchmarks.looks"
    found = [(seeds, f"{effect:.1f}") for seeds, effect in values["found"].items()]
    share = {
        key: f"{100 * value:.1f} %" for key, value in values.items() if key.startswith("false")
    }
    sentences = (
        f"Of {values['nulls']:,} simulated series of pairs without an effect, with a look after"
        f" each pair up to the {LAST}th, {share['false']} ended in a verdict; of accuracies of"
        f" 10,000 images {share['false_counts']}. A t interval of 95 % at every look would have"
        f" found something in {share['false_t_intervals']}. Where five claims share a row and seeds"
        " go to the one that is most likely decided for its price, as `wye study --decide` spends"
        f" them, {share['false_chosen']} of the claims without an effect ended in a verdict. The"
        " series are drawn from normal distributions;"
        " `python -m benchmarks.looks --out docs/_generate/looks.json` makes them anew.",
        "Three seeds decide large effects only. What is found with a probability of 0.8 by a number"
        " of seeds, in standard deviations of the difference of one pair:",
        table(("seeds", "effect, in standard deviations"), found),
    )
    return "\n\n".join(sentences)


def _line(one: Finding) -> list[str]:
    claim = one.claim

    def shown(value: float | None) -> str:
        return "" if value is None else figure(claim.metric, value, signed=not claim.range)

    interval = (
        "" if one.low is None or one.high is None else f"{shown(one.low)} to {shown(one.high)}"
    )
    verdict = one.verdict
    if one.verdict_corrected != one.verdict:
        verdict += " (undecided after Holm's correction)"
    if one.runs_needed is not None:
        verdict += (
            f" ({one.runs_needed} seeds would decide)"
            if one.runs_needed <= LAST
            else f" (no look up to {LAST} seeds would decide)"
        )
    n = f"{one.n}, {one.protocol}" if one.n else ""
    p = "" if one.p is None else "< 0.001" if one.p < 0.001 else f"{one.p:.3f}"
    published, effect = shown(claim.published), shown(one.effect)
    return [claim.id, cell(claim.says), published, effect, interval, n, p, verdict]

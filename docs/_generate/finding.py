"""The answer that README and site begin with: does the autoencoder help the classifier?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import gains_page
from markup import cell, table
from published_table import counts as counts_of
from published_table import figure, systems

from wye.evidence.collect import by_row
from wye.evidence.findings import Finding
from wye.evidence.verdict import VERDICTS
from wye.metrics import metric
from wye.runs.records import Record
from wye.studies import studies

QUESTION = (
    *("S0-C6", "S0-C13", "S0-C15a", "S0-C15b", "S0-C15d", "S0-C15e", "S0-C15f", "S0-C15g"),
    *("S1-C1a", "S1-C1b", "S1-C1d", "S1-C1e", "S2-C3"),
)
"""The claims that say whether a classifier gains from an autoencoder, beside it or before it."""
OPEN = {
    "undecided": ("is undecided", "are undecided"),
    "needs weights": ("needs ImageNet's weights", "need ImageNet's weights"),
    "no runs": ("has too few runs", "have too few runs"),
}


def answer(found: Sequence[Finding], runs: Sequence[Record], docs: str = "") -> str:
    """The answer in a few lines: what is decided, and how much is not.

    Args:
        found: what the records say of every claim.
        runs: the records of all studies.
        docs: the way from the page to `docs/`.
    """
    asked = _asked(found)
    counts = Counter(one.verdict for one in asked)
    decided = [one for one in asked if one.verdict in ("supported", "refuted")]
    rest = [
        f"{counts[verdict]} {words[counts[verdict] != 1]}"
        for verdict, words in OPEN.items()
        if counts[verdict]
    ]
    parts = [
        f"{'' if decided else '**Not decided yet.** '}The five studies make {len(asked)} claims"
        f" about it. The runs that come with Wye support {counts['supported'] or 'none'} of them"
        f" and refute {counts['refuted'] or 'none'}; {_listed(rest)}."
    ]
    if decided:
        parts.append("\n".join(f"- {one.verdict.capitalize()}: {_said(one)}" for one in decided))
    parts += [
        f"[{study.title}]({docs}studies/{name}.md) {said}"
        for name, study in studies().items()
        if study.grids and not study.withdrawn and (said := gains_page.summary(name, runs))
    ]
    return "\n\n".join(parts)


def evidence(found: Sequence[Finding], runs: Sequence[Record]) -> str:
    """Each claim on the question with what was published, what was measured, and the verdict."""
    lines = [
        (
            f"{cell(one.claim.says.rstrip('.'))} (`{one.claim.id}`)",
            _value(one, one.claim.published),
            f"{_value(one, one.effect)} {_interval(one)}".strip(),
            str(one.n or ""),
            one.verdict,
        )
        for one in _asked(found)
    ]
    counts = Counter(one.verdict for one in found)
    every = _listed([f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict]])
    each = [counts_of(name, by_row(runs)) for name in studies()]
    paper, _, short = map(sum, zip(*each, strict=True))
    all_systems = sum(len(systems(name)) for name in studies())
    return (
        f"{table(('claim', 'published', 'measured', 'seeds', 'verdict'), lines)}\n\n"
        f"Of all {len(found)} claims: {every}. Of the {all_systems} published systems"
        f" {paper + short} have runs that come with Wye, {paper} of them exactly as published, the"
        " others with fewer epochs. `wye claims` prints every claim, with your own runs beside"
        " these."
    )


def _asked(found: Sequence[Finding]) -> list[Finding]:
    by_id = {one.claim.id: one for one in found}
    return [by_id[name] for name in QUESTION]


def _said(one: Finding) -> str:
    return (
        f"{cell(one.claim.says.rstrip('.'))} (`{one.claim.id}`; {_value(one, one.effect)}"
        f" {_interval(one)}, {one.n} seeds)."
    )


def _value(one: Finding, value: float | None) -> str:
    return "" if value is None else figure(one.claim.metric, value, signed=True)


def _interval(one: Finding) -> str:
    if one.low is None or one.high is None:
        return ""
    show = metric(one.claim.metric).show_difference
    return f"[{show(one.low)}, {show(one.high)}]"


def _listed(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)

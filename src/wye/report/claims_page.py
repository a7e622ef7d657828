"""What the page of the claims says: verdicts, effects and what was tested."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from wye.evidence.looks import LAST
from wye.metrics import metric
from wye.recipe.identity import protocols_of
from wye.report.effect_strip import effect_strip, window
from wye.report.grouping import study_names
from wye.report.pages import page_of
from wye.report.rows import Row
from wye.studies import studies

if TYPE_CHECKING:
    from wye.evidence.claims import Claim
    from wye.evidence.findings import Finding
    from wye.evidence.verdict import Verdict

PAGE = "claims.html"
UNDER = {
    "paper": "under the protocol paper: as published",
    "short": "under the protocol short: fewer epochs, the same for all rows of a study",
}
MEANINGS: tuple[tuple[Verdict, str], ...] = (
    ("supported", "the whole interval lies where the claim holds"),
    ("refuted", "the whole interval lies where it does not hold"),
    (
        "undecided",
        "the interval lies on both sides, or there is none, of one or two runs or of values that"
        " are all equal; beside it at how many runs a look would decide with probability 0.8, were"
        " effect and spread as measured",
    ),
    ("needs weights", "no runs, which begin with ImageNet's weights"),
    ("no runs", "no seed under this protocol for which all of its rows have a run"),
)
HOW = (
    "The effect of a claim is the mean difference of its rows, paired by seed (of several pairs,"
    " which all must hold, that of the pair that decides), or the metric of its row, with a t"
    " interval that is widened after Nadeau and Bengio where seeds are overlapping random splits"
    " (conservative here, where the test set is fixed).",
    "Who adds seeds until an interval is clear of zero finds an effect of nothing in the end. So"
    " the interval allows for a look at three seeds and one at each further seed up to the"
    " twentieth: the probability that any of these intervals leaves out the true effect is at most"
    " 5 %. Three seeds alone decide large effects only.",
    "Few seeds may agree by chance, so the standard deviation of accuracies and other counts has a"
    " floor, from the number of test images; values that are all equal have no interval and a p of"
    " 1, unless both rows are one recipe, which are alike for certain.",
    "The verdict is read off that interval, and p is of the t test of the bound that is hardest to"
    " tell from the effect (zero, the margin, an end of the range), allowing for the looks: below"
    " 0.05 exactly where the interval lies on one side.",
    "So many tests bring forth some verdicts by chance, so p is corrected by Holm's method for all"
    " claims tested under the protocol; a verdict that does not outlast this says so, and that any"
    " of the others is wrong has a probability of at most 0.05.",
)


def claims_page(found: Mapping[str, Sequence[Finding]], rows: Sequence[Row]) -> dict[str, Any]:
    """A section for each protocol that has runs, or one for `paper` if none has.

    Args:
        found: protocol to a finding for each claim.
        rows: those of the site, to link to.
    """
    hrefs = {
        (row.recipe.row, protocol): f"{page_of(row)}#{row.anchor}"
        for row in rows
        if row.study and not row.truncated
        for protocol in protocols_of(row.recipe)
    }
    return {
        "how": HOW,
        "meanings": MEANINGS,
        "protocols": [
            {**head, "studies": _by_study(found[head["protocol"]], hrefs, rows)}
            for head in headline(found)
        ],
    }


def headline(found: Mapping[str, Sequence[Finding]]) -> list[dict[str, Any]]:
    """How many claims got each verdict, for each protocol that has runs."""
    tested = [protocol for protocol in found if any(one.n for one in found[protocol])]
    heads = []
    for protocol in tested or list(found)[:1]:
        counts = Counter(one.verdict for one in found[protocol])
        verdicts = [(verdict, counts[verdict]) for verdict, _ in MEANINGS]
        heads.append(
            {
                "protocol": protocol,
                "under": UNDER[protocol],
                "counts": verdicts,
                "tested": bool(tested),
            }
        )
    return heads


def _by_study(
    findings: Sequence[Finding], hrefs: Mapping[tuple[str, str], str], rows: Sequence[Row]
) -> list[dict[str, Any]]:
    pages = {row.study: page_of(row) for row in rows if row.study}
    ordered = sorted(findings, key=lambda one: study_names().index(one.claim.study))
    found = []
    for study, group in groupby(ordered, key=lambda one: one.claim.study):
        members = list(group)
        found.append(
            {
                "name": study,
                "title": studies()[study].title,
                "page": pages.get(study, ""),
                "claims": [_shown(one, hrefs) for one in members if one.n],
                "without": [_shown(one, hrefs) for one in members if not one.n],
            }
        )
    return found


def _shown(one: Finding, hrefs: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    claim, known = one.claim, metric(one.claim.metric)
    written = known.show if claim.range else known.show_difference
    interval = None if one.low is None or one.high is None else (one.low, one.high)
    words = " to ".join(map(written, interval or ()))
    effect = "" if one.effect is None else written(one.effect)
    strip = ""
    if one.effect is not None:
        ends = claim.region.ends
        finite = [end for end in (*ends, one.effect, claim.published) if end is not None]
        scale = window(filter(math.isfinite, finite), interval or (), _centre(claim))
        label = f"Effect {effect}, interval {words or 'none'} {one.unit}; {one.verdict}"
        strip = effect_strip(one.effect, interval, ends, claim.published, scale, written, label)
    return {
        "id": claim.id,
        "says": claim.says,
        "where": claim.where,
        "metric": known.label,
        "pairs": _pairs(claim, hrefs, one.protocol),
        "bound": _bound(claim, written, one.unit),
        "strip": strip,
        "effect": effect,
        "interval": words,
        "unit": one.unit,
        "published": "" if claim.published is None else f"{written(claim.published)} {one.unit}",
        "n": one.n,
        "p": _probability(one.p),
        "p_corrected": _probability(one.p_corrected),
        "verdict": one.verdict,
        "reason": one.reason,
        "corrected": f"{one.verdict_corrected} after correction"
        if one.verdict_corrected != one.verdict
        else "",
        "needed": _needed(one),
    }


def _centre(claim: Claim) -> float:
    return sum(claim.range) / 2 if claim.range else 0.0


def _pairs(
    claim: Claim, hrefs: Mapping[tuple[str, str], str], protocol: str
) -> list[list[tuple[str, str, str]]]:
    """What is compared: pairs, or a row alone, each as (sign before it, row, address if any)."""
    pairs: Sequence[tuple[str, ...]] = [(claim.row,)] if claim.row else claim.pairs
    sign = "≈" if claim.same else ">"
    return [
        [
            (sign if place else "", row.partition("/")[2], hrefs.get((row, protocol), ""))
            for place, row in enumerate(pair)
        ]
        for pair in pairs
    ]


def _bound(claim: Claim, written: Callable[[float], str], unit: str) -> str:
    """What the effect is held against, where it isn't zero."""
    if claim.range:
        return f"between {written(claim.range[0])} and {written(claim.range[1])} {unit}".rstrip()
    margin = f"{written(abs(claim.margin)).lstrip('+')} {unit}".rstrip()
    if claim.same:
        return f"within {margin}"
    if claim.margin < 0:
        return f"or less by no more than {margin}"
    return f"by more than {margin}" if claim.margin else ""


def _probability(p: float | None) -> str:
    if p is None:
        return ""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _needed(one: Finding) -> str:
    """How many runs would decide an undecided claim."""
    if one.verdict != "undecided" or one.runs_needed is None:
        return ""
    if one.runs_needed > LAST:
        return f"no look up to {LAST} runs would decide"
    return f"{one.runs_needed} runs would decide"

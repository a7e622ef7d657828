"""Findings: what the runs say of each claim, corrected for the number of claims."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wye.errors import UsageError
from wye.evidence import looks
from wye.evidence.claims import Claim, load_claims
from wye.evidence.collect import Runs, matched, runs_by_row
from wye.evidence.floor import floor_of
from wye.evidence.missing import lacking_weights, why_no_interval
from wye.evidence.paired import NO_FLOOR, differences, overlap
from wye.evidence.results import Only
from wye.evidence.verdict import Judgement, Sample, Verdict, holm, judge, judge_each
from wye.recipe.identity import repeats
from wye.recipe.resolve import PROTOCOLS, check_protocol
from wye.registry import suggest
from wye.runs.records import Record
from wye.wording import shown


@dataclass(frozen=True)
class Finding:
    """What the runs under one protocol say of a claim.

    Attributes:
        n: seeds of which every row of the claim has a run.
        effect: mean over them of the difference (or figure), in units of the metric as stored; of
            several pairs, that of the one which decides (`judge_each`). None where n is 0.
        low, high: t interval that allows for repeated looks (`wye.evidence.looks`), with Nadeau and
            Bengio's correction where the seeds are splits, and with a floor of the spread
            (`wye.evidence.floor`); None where n is below 3, or no value differs from another.
        p: two-sided, of the t test of the bound that is hardest to tell from the effect (the
            margin, an end of the range), allowing for repeated looks: below 0.05 exactly where the
            interval lies on one side of it; 1 where no value differs from another.
        p_corrected: by Holm's method, for all claims that have a p under this protocol.
        protocol: under which the runs are: one alone for each claim.
        verdict: supported: the interval lies where the claim holds; refuted: where it doesn't;
            undecided: on both sides, or there is none; no runs: n is 0, or `needs weights` where
            ImageNet's are missing. An effect of a recipe on itself is 0 for certain, without a p.
        verdict_corrected: the same by `p_corrected`: the probability that any of these verdicts is
            wrong is at most 0.05.
        runs_needed: of an undecided claim, at how many seeds a look would decide it with
            probability 0.8, were effect and spread as measured; 21 where none of the looks, up to
            20 seeds, would; None where the spread is not known.
        unit: of the effect as it is shown to people.
        overlap: of splits, see `wye.evidence.paired.overlap`.
        note: what a reader of the verdict must know of its spread; empty for nothing.
        reason: why there is no interval: which runs are missing, and the command that makes them;
            empty where there is one.
    """

    claim: Claim
    protocol: str
    n: int
    effect: float | None
    low: float | None
    high: float | None
    p: float | None
    p_corrected: float | None
    verdict: Verdict
    verdict_corrected: Verdict
    runs_needed: int | None
    seeds: tuple[int, ...]
    unit: str
    overlap: float = 0.0
    note: str = ""
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        """The finding as plain values; figures as stored."""
        claim = self.claim
        kept = {key: value for key, value in vars(self).items() if key not in ("claim", "seeds")}
        return {
            **{key: getattr(claim, key) for key in ("id", "study", "says", "where", "metric")},
            "rows": list(claim.rows),
            **claim.model_dump(mode="json", include={"higher", "lower", "same", "range"}),
            **{key: getattr(claim, key) for key in ("margin", "full_length", "published")},
            **kept,
            "seeds": list(self.seeds),
        }


def findings(
    root: Path | Runs | None,
    protocol: str | None = None,
    ids: Sequence[str] | None = None,
    only: Only | None = None,
) -> list[Finding]:
    """What the runs under a folder, and the shipped records, say of the claims.

    Args:
        root: a folder, or what `runs_by_row` collects.
        protocol: runs of one alone are used: `paper` or `short`; None for `paper` where a claim has
            three seeds under it, and else the one with more seeds, whatever they say.
        ids: of these claims alone; the correction is for all of them still.
        only: runs under the folder (`here`), or the `shipped` records.

    Raises:
        UsageError: there is no such protocol, or no such claim.
    """
    if protocol is not None:
        check_protocol(protocol)
    claims = load_claims()
    known = [claim.id for claim in claims]
    for name in ids or ():
        if name not in known:
            raise UsageError(f"no claim {shown(name)}; {suggest(name, known)}")
    runs = root if isinstance(root, dict) else runs_by_row(root, only)
    asked = PROTOCOLS if protocol is None else (protocol,)
    each = ([_finding(claim, one, runs) for one in asked] for claim in claims)
    found = _corrected(max(several, key=lambda one: min(one.n, looks.FIRST)) for several in each)
    return [one for one in found if ids is None or one.claim.id in ids]


def _finding(claim: Claim, protocol: str, runs: Runs) -> Finding:
    counted = {} if claim.whole and protocol != PROTOCOLS[0] else runs
    measured = [
        {
            seed: having
            for seed, of in counted.get((row, protocol), {}).items()
            if (having := [record for record in of if claim.metric in record.metrics])
        }
        for row in claim.rows
    ]
    pairs_of = matched(*measured)
    seeds = list(pairs_of)
    paired = {
        row: {seed: records[place] for seed, records in pairs_of.items()}
        for place, row in enumerate(claim.rows)
    }
    widened = overlap(*(record.recipe for of in paired.values() for record in of.values()))
    floors_known = all(floor_of(claim.metric, of.values()) is not None for of in paired.values())
    if claim.row:
        judgement = judge(_sample(claim.metric, paired[claim.row]), claim.region, widened)
    else:
        samples = [_sample(claim.metric, paired[one], paired[other]) for one, other in claim.pairs]
        judgement = judge_each(samples, claim.region, widened)
    verdict = judgement.verdict
    if verdict == "no runs" and lacking_weights(claim, protocol, runs):
        verdict = "needs weights"
    short = judgement.n < looks.FIRST and not judgement.certain
    reason = why_no_interval(claim, protocol, runs, judgement.n) if short else ""
    low, high = judgement.interval or (None, None)
    needed = judgement.runs_needed if verdict == "undecided" else None
    return Finding(
        *(claim, protocol, judgement.n, judgement.effect, low, high, judgement.p, judgement.p),
        *(verdict, verdict, needed, tuple(seeds), claim.unit),
        *(widened if seeds else 0.0, _note(judgement, floors_known), reason),
    )


def _sample(name: str, first: dict[int, Record], second: dict[int, Record] | None = None) -> Sample:
    """The values of one row's runs, or their differences from another's of the same seeds."""
    systems = [first] if second is None else [first, second]
    floor = floor_of(name, *(of.values() for of in systems)) or NO_FLOOR
    values = [{seed: run.metrics[name] for seed, run in of.items()} for of in systems]
    if second is None:
        return Sample(list(values[0].values()), floor)
    leads = [run.recipe for of in systems for run in list(of.values())[:1]]
    one_recipe = len(leads) == 2 and repeats(*leads)
    return Sample(differences(values[0], values[1], list(first)), floor, one_recipe)


def _note(judgement: Judgement, floors_known: bool) -> str:
    if judgement.certain:
        return "both rows are one recipe: alike for certain"
    if judgement.ties:
        return "all seeds give the same value, which tells nothing of the spread"
    if judgement.n > 1 and not floors_known:
        return "runs do not say of how many test images: the spread has no floor"
    return ""


def _corrected(found: Iterable[Finding]) -> list[Finding]:
    """The findings with p corrected for the number of those that have one."""
    each = list(found)
    tested = [index for index, one in enumerate(each) if one.p is not None]
    corrected = holm([each[index].p or 0.0 for index in tested])
    for index, p in zip(tested, corrected, strict=True):
        one = each[index]
        verdict: Verdict = one.verdict if p < looks.ALPHA else "undecided"
        each[index] = replace(one, p_corrected=p, verdict_corrected=verdict)
    return each

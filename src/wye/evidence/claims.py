"""Claims of the studies, each a test of runs: what is said, what it was held against, a verdict."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from wye.errors import UsageError
from wye.evidence.collect import Repeats, Runs, runs_by_row
from wye.evidence.paired import differences, overlap
from wye.evidence.verdict import ALPHA, Judgement, Region, Verdict, holm, judge, judge_each
from wye.metrics import METRICS, metric
from wye.recipe import Recipe, recipe_from_row
from wye.recipe.resolve import PROTOCOLS
from wye.recipe.settings import NonNegative, Number
from wye.registry import suggest
from wye.studies import row_names
from wye.studies.load import yaml_loader
from wye.wording import shown, wording

FILE = "claims.yaml"

Rows = Annotated[tuple[str, ...], BeforeValidator(lambda v: (v,) if isinstance(v, str) else v)]


class Claim(BaseModel):
    """An entry of `claims.yaml`: one of three forms.

    `higher` and `lower`: the figure of the first is larger by more than `margin`; of lists, paired
    in their order, the claim is that each first is. `same`: the figures of each pair are within
    `margin` of each other. `row` and `range`: the row's figure lies in the range.

    Attributes:
        id: for instance S0-C13.
        says: what the study says, in our words.
        where: where it says so in the fact sheet.
        metric: a key of `wye.metrics.METRICS`.
        margin: in units of the metric as stored (accuracy: a share).
        published: the difference, or figure, that the study printed; of several pairs the one that
            is nearest to the margin.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(min_length=1)
    says: str = Field(min_length=1)
    where: str = Field(min_length=1)
    metric: str
    higher: Rows = ()
    lower: Rows = ()
    same: tuple[tuple[str, str], ...] = ()
    row: str | None = None
    range: tuple[Number, Number] | None = None
    margin: NonNegative = 0.0
    published: Number | None = None

    @model_validator(mode="after")
    def _one_form(self) -> Claim:
        directed, level = bool(self.higher or self.lower), bool(self.row or self.range)
        if directed + bool(self.same) + level != 1:
            raise ValueError("it should have higher and lower, or same, or row and range")
        if directed and len(self.higher) != len(self.lower):
            raise ValueError("higher and lower should name as many rows")
        if self.same and not self.margin:
            raise ValueError("same needs a margin: no two systems are exactly alike")
        if level and (self.row is None or self.range is None or self.range[0] >= self.range[1]):
            raise ValueError("a row needs a range, its lower end first")
        if level and self.margin:
            raise ValueError("a range has no margin")
        if self.metric not in METRICS:
            raise ValueError(f"no metric {self.metric!r}; {suggest(self.metric, METRICS)}")
        return self

    @property
    def rows(self) -> tuple[str, ...]:
        """Every row that it is about, once."""
        pairs = [row for pair in self.same for row in pair]
        alone = [self.row] if self.row else []
        return tuple(dict.fromkeys([*self.higher, *self.lower, *pairs, *alone]))

    @property
    def study(self) -> str:
        """The study of its rows."""
        return self.rows[0].partition("/")[0]

    @property
    def region(self) -> Region:
        """Where the effect lies if it holds."""
        if self.range:
            return Region(self.range)
        if self.same:
            return Region((-self.margin, self.margin))
        return Region((self.margin, math.inf), closed=False)

    @property
    def unit(self) -> str:
        """Unit of the effect as it is shown to people."""
        known = metric(self.metric)
        return known.unit if self.range else known.difference_unit


@dataclass(frozen=True)
class Finding:
    """What the runs under one protocol say of a claim.

    Attributes:
        n: seeds of which every row of the claim has a run.
        effect: mean over them of the difference (or figure), in units of the metric as stored; of
            several pairs, that of the one which decides (`judge_each`). None where n is 0.
        low, high: 95 % t interval, with Nadeau and Bengio's correction where the seeds are splits;
            None where n is below 2.
        p: two-sided, of the t test of the bound that the effect is nearest to (the margin, an end
            of the range): below 0.05 exactly where the interval lies on one side of it.
        p_corrected: by Holm's method, for all claims that have a p under this protocol.
        verdict: supported: the interval lies where the claim holds; refuted: where it doesn't;
            undecided: on both sides, or n is 1; not run: n is 0.
        verdict_corrected: the same by `p_corrected`: the probability that any of these verdicts is
            wrong is at most 0.05.
        runs_needed: of an undecided claim, how many runs would decide it with probability 0.8, were
            effect and spread as measured; 1,001 for more than 1,000.
        unit: of the effect as it is shown to people.
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

    def as_json(self) -> dict[str, Any]:
        """The finding as plain values; figures as stored."""
        claim = self.claim
        kept = {key: value for key, value in vars(self).items() if key not in ("claim", "seeds")}
        return {
            **{key: getattr(claim, key) for key in ("id", "study", "says", "where", "metric")},
            "rows": list(claim.rows),
            **claim.model_dump(mode="json", include={"higher", "lower", "same", "range"}),
            **{key: getattr(claim, key) for key in ("margin", "published")},
            **kept,
            "seeds": list(self.seeds),
        }


def load_claims() -> tuple[Claim, ...]:
    """The claims of the studies, in the order of the file.

    Raises:
        UsageError: an entry is not a claim; the message names it.
    """
    text = resources.files("wye.evidence").joinpath(FILE).read_text("utf-8")
    return read_claims(text)


def read_claims(text: str) -> tuple[Claim, ...]:
    """The claims of a file's text.

    Raises:
        UsageError: an entry is not a claim, an id stands twice, a row is none or lacks the metric.
    """
    try:
        content = yaml.load(text, Loader=yaml_loader())
        claims = TypeAdapter(tuple[Claim, ...]).validate_python(content)
    except yaml.YAMLError as error:
        raise UsageError(f"{FILE} is not YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        entry = content[first["loc"][0]] if first["loc"] else {}
        name = entry.get("id", "") if isinstance(entry, dict) else ""
        where = ".".join(str(part) for part in (name, *first["loc"][1:]) if part != "")
        raise UsageError(f"{FILE}: {where or 'all of it'}: {wording(first)}") from None
    ids = [claim.id for claim in claims]
    if twice := next((name for name in ids if ids.count(name) > 1), None):
        raise UsageError(f"{FILE}: {twice} stands there twice")
    for claim in claims:
        _check(claim)
    return claims


def _check(claim: Claim) -> None:
    known = row_names()
    for row in claim.rows:
        if row not in known:
            raise UsageError(f"{FILE}: {claim.id}: no row {shown(row)}; {suggest(row, known)}")
        if not carries(recipe_from_row(row), claim.metric):
            raise UsageError(f"{FILE}: {claim.id}: runs of {row} measure no {claim.metric}")
    if len({row.partition("/")[0] for row in claim.rows}) > 1:
        raise UsageError(f"{FILE}: {claim.id}: its rows are of several studies")


def carries(recipe: Recipe, name: str) -> bool:
    """Whether a run of the recipe measures a metric."""
    if name in ("accuracy", "balanced_accuracy", "macro_f1", "cross_entropy"):
        return recipe.network.classifier != "none"
    if name == "judge_accuracy":
        return recipe.evaluation.judge != "none"
    if name in ("train_loss", "train_seconds"):
        return True
    rebuilt = recipe.network.decoder != "none"
    return rebuilt and (name != "ssim_range2" or recipe.evaluation.ssim_range2)


def findings(
    root: Path | Runs, protocol: str = "paper", ids: Sequence[str] | None = None
) -> list[Finding]:
    """What the runs under a folder say of the claims.

    Args:
        root: a folder, or its runs as `runs_by_row` collects them.
        protocol: `paper` or `short`; runs of one alone are used.
        ids: of these claims alone; the correction is for all of them still.

    Raises:
        UsageError: there is no such protocol, or no such claim.
    """
    if protocol not in PROTOCOLS:
        raise UsageError(f"no protocol {shown(protocol)}; {suggest(protocol, PROTOCOLS)}")
    claims = load_claims()
    known = [claim.id for claim in claims]
    for name in ids or ():
        if name not in known:
            raise UsageError(f"no claim {shown(name)}; {suggest(name, known)}")
    runs = root if isinstance(root, dict) else runs_by_row(root)
    found = _corrected(_finding(claim, protocol, runs) for claim in claims)
    return [one for one in found if ids is None or one.claim.id in ids]


def _finding(claim: Claim, protocol: str, runs: Runs) -> Finding:
    repeats = {row: runs.get((row, protocol), {}) for row in claim.rows}
    figures = {row: _figures(of, claim.metric) for row, of in repeats.items()}
    seeds = sorted(set.intersection(*(set(of) for of in figures.values())))
    judgement = _judged(claim, figures, seeds, repeats)
    verdict = judgement.verdict
    low, high = judgement.interval or (None, None)
    needed = judgement.runs_needed if verdict == "undecided" else None
    return Finding(
        *(claim, protocol, judgement.n, judgement.effect, low, high, judgement.p, judgement.p),
        *(verdict, verdict, needed, tuple(seeds), claim.unit),
    )


def _figures(repeats: Repeats, name: str) -> dict[int, float]:
    return {seed: run.figures[name] for seed, run in repeats.items() if name in run.figures}


def _judged(
    claim: Claim,
    figures: Mapping[str, Mapping[int, float]],
    seeds: Sequence[int],
    repeats: Mapping[str, Repeats],
) -> Judgement:
    widened = overlap(*(run.recipe for of in repeats.values() for run in of.values()))
    if claim.row:
        return judge([figures[claim.row][seed] for seed in seeds], claim.region, widened)
    pairs = claim.same or tuple(zip(claim.higher, claim.lower, strict=True))
    each = [differences(figures[one], figures[other], seeds) for one, other in pairs]
    return judge_each(each, claim.region, widened)


def _corrected(found: Iterable[Finding]) -> list[Finding]:
    """The findings with p corrected for the number of those that have one."""
    each = list(found)
    tested = [index for index, one in enumerate(each) if one.p is not None]
    corrected = holm([each[index].p or 0.0 for index in tested])
    for index, p in zip(tested, corrected, strict=True):
        one = each[index]
        verdict: Verdict = one.verdict if p < ALPHA else "undecided"
        each[index] = replace(one, p_corrected=p, verdict_corrected=verdict)
    return each

"""Claims of the studies: what is said, of which rows, and where the effect lies if it holds."""

from __future__ import annotations

import math
from importlib import resources
from typing import Annotated

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

from wye import yaml_text
from wye.errors import UsageError
from wye.evidence.verdict import Region
from wye.metrics import METRICS, metric
from wye.recipe import recipe_from_row
from wye.recipe.measured import caveat, measures
from wye.recipe.settings import Number
from wye.registry import suggest
from wye.studies import row_names
from wye.wording import shown, wording

FILE = "claims.yaml"

Rows = Annotated[tuple[str, ...], BeforeValidator(lambda v: (v,) if isinstance(v, str) else v)]


class Claim(BaseModel):
    """An entry of `claims.yaml`: one of three forms.

    `higher` and `lower`: the metric of the first is larger by more than `margin` (not smaller by as
    much, where that is negative); of lists, paired in their order or one row with each of a list,
    the claim is that each first is. `same`: the metrics of each pair are within `margin` of each
    other. `row` and `range`: the row's metric lies in the range.

    Attributes:
        id: for instance S0-C13.
        says: what the study says, in our words.
        where: where it says so in the fact sheet.
        metric: a key of `wye.metrics.METRICS`.
        margin: in units of the metric as stored (accuracy: a fraction).
        full_length: that shorter trainings say nothing of it: overfitting, for instance.
        published: the difference, or value, that the study printed; of several pairs the one that
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
    margin: Number = 0.0
    full_length: bool = False
    published: Number | None = None

    @model_validator(mode="after")
    def _one_form(self) -> Claim:
        directed, level = bool(self.higher or self.lower), bool(self.row or self.range)
        if directed + bool(self.same) + level != 1:
            raise ValueError("it should have higher and lower, or same, or row and range")
        if directed and (
            0 in (sizes := {len(self.higher), len(self.lower)}) or len(sizes - {1}) > 1
        ):
            raise ValueError("higher and lower should name as many rows, or one of them one row")
        if self.same and self.margin <= 0:
            raise ValueError("same needs a margin above 0: no two systems are exactly alike")
        if level and (self.row is None or self.range is None or self.range[0] >= self.range[1]):
            raise ValueError("a row needs a range, its lower end first")
        if level and self.margin:
            raise ValueError("a range has no margin")
        if self.metric not in METRICS:
            raise ValueError(f"no metric {self.metric!r}; {suggest(self.metric, METRICS)}")
        return self

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The pairs of rows that are compared; none of a single row."""
        if self.same:
            return self.same
        most = max(len(self.higher), len(self.lower))
        each = (rows * most if len(rows) == 1 else rows for rows in (self.higher, self.lower))
        return tuple(zip(*each, strict=True))

    @property
    def whole(self) -> bool:
        """Whether it is of trainings of the published length alone: `full_length`, or a range."""
        return self.full_length or self.range is not None

    @property
    def rows(self) -> tuple[str, ...]:
        """Every row that it is about, once."""
        return (
            (self.row,)
            if self.row
            else tuple(dict.fromkeys(r for pair in self.pairs for r in pair))
        )

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
        content = yaml_text.load(text)
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
        recipe = recipe_from_row(row)
        if not measures(recipe, claim.metric):
            raise UsageError(f"{FILE}: {claim.id}: runs of {row} measure no {claim.metric}")
        if why := caveat(recipe, claim.metric):
            raise UsageError(f"{FILE}: {claim.id}: {claim.metric} of {row} says nothing: {why}")
    if len({row.partition("/")[0] for row in claim.rows}) > 1:
        raise UsageError(f"{FILE}: {claim.id}: its rows are of several studies")

"""How often repeated looks mislead, and what they find: `python -m benchmarks.looks`.

`--out docs/_generate/looks.json` and then `make docs` put the values on the page of the claims.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from wye.evidence import looks
from wye.evidence.deciding import worth
from wye.evidence.floor import USUAL, Floor
from wye.evidence.paired import NO_FLOOR, POWER, decides, t_test
from wye.evidence.verdict import Judgement, Region, Sample, judge
from wye.files import write_atomically

HIGHER = Region((0.0, math.inf), closed=False)
SD, IMAGES, ACCURACY = 0.003, 10_000, 0.85
SHARING = 5
"""Claims of a set that compare a row each with one that all share."""


def simulate(
    nulls: Annotated[int, typer.Option(min=10, help="Series without an effect.")] = 2000,
    out: Annotated[Path | None, typer.Option(help="A file for the values as well.")] = None,
) -> None:
    """Simulate pairs of systems that are alike, with a look after each pair."""
    values = document(nulls)
    print(json.dumps(values, indent=1))
    if out is not None:
        write_atomically(out, (json.dumps(values, indent=1) + "\n").encode())


def document(nulls: int) -> dict[str, Any]:
    """Fractions of false verdicts, and the effects that looks find with a probability of 0.8."""
    draw = np.random.default_rng(0)
    series = draw.normal(0, SD, (nulls, looks.LAST)).tolist()
    both = np.round(draw.normal(ACCURACY, SD / math.sqrt(2), (2, nulls, looks.LAST)) * IMAGES)
    counts = np.round((both[0] - both[1]) / IMAGES, 12).tolist()
    binomial = math.sqrt(2 * ACCURACY * (1 - ACCURACY) / IMAGES)
    floor = Floor(USUAL * binomial, math.sqrt(2 / 12) / IMAGES)
    return {
        "nulls": nulls,
        "looks": [looks.FIRST, looks.LAST],
        "false": fraction(_ever_decided(values, NO_FLOOR) for values in series),
        "false_counts": fraction(_ever_decided(values, floor) for values in counts),
        "false_t_intervals": fraction(map(_ever_significant, series)),
        "false_chosen": _chosen(draw, nulls // SHARING),
        "found": {
            str(count): min(_found(earlier) for earlier in range(looks.FIRST, count + 1))
            for count in (3, 4, 5, 7, 10, 15, looks.LAST)
        },
    }


def fraction(each: Iterator[bool]) -> float:
    """How many of them are true."""
    values = list(each)
    return sum(values) / len(values)


def _ever_decided(values: Sequence[float], floor: Floor) -> bool:
    """Whether a look after any pair decides: an interval is clear of zero."""
    counts = range(looks.FIRST, looks.LAST + 1)
    found = (looks.interval(values[:count], floor=floor) for count in counts)
    return any(low > 0 or high < 0 for low, high in filter(None, found))


def _ever_significant(values: Sequence[float]) -> bool:
    """Whether a plain t test after any pair, from the second on, has a p below 0.05."""
    return any(t_test(values[:n]) < looks.ALPHA for n in range(2, looks.LAST + 1))


def _chosen(draw: np.random.Generator, sets: int) -> float:
    """False verdicts where seeds go to the claim of most worth, and runs are shared.

    Each row is compared with one that all share, and every run has a price; a run that is there
    costs nothing, so that a claim is more often looked at where another was. Money lasts for half
    of all runs.
    """
    false = 0
    for _ in range(sets):
        rows = draw.normal(0, SD / math.sqrt(2), (1 + SHARING, looks.LAST))
        prices = draw.uniform(1, 10, 1 + SHARING)
        false += sum(one.verdict != "undecided" for one in _spend(rows, prices))
    return false / (sets * SHARING)


def _spend(rows: np.ndarray, prices: np.ndarray) -> list[Judgement]:
    """What is found of each claim when the money is spent."""
    money = prices.sum() * looks.LAST / 2
    seen = [0] * SHARING
    made: set[tuple[int, int]] = set()

    @cache
    def judged(claim: int, count: int) -> Judgement:
        pairs = rows[1 + claim, :count] - rows[0, :count]
        return judge(Sample(pairs.tolist()), HIGHER)

    def look(claim: int) -> Judgement:
        return judged(claim, seen[claim])

    while True:
        steps = []
        for claim in range(SHARING):
            found, more = look(claim), max(looks.FIRST - seen[claim], 1)
            seeds = range(seen[claim], min(seen[claim] + more, looks.LAST))
            wanted = {(row, seed) for row in (0, 1 + claim) for seed in seeds} - made
            price = float(sum(prices[row] for row, _ in wanted))
            open_ = found.n < looks.FIRST or found.verdict == "undecided"
            value = worth(found.n, found.runs_needed, price) if open_ and wanted else None
            if value is not None and price <= money:
                steps.append((value, claim, more, wanted, price))
        if not steps:
            return [look(claim) for claim in range(SHARING)]
        _, claim, more, wanted, price = max(steps)
        seen[claim] += more
        made |= wanted
        money -= price


def _found(count: int) -> float:
    """The effect, in standard deviations of the differences, that a look at `count` seeds finds."""
    low, high = 0.0, 100.0
    while high - low > 1e-3:
        middle = (low + high) / 2
        enough = decides(count, [middle], 1.0, alpha=looks.level(count)) >= POWER
        low, high = (low, middle) if enough else (middle, high)
    return round(high, 2)


if __name__ == "__main__":
    typer.run(simulate)

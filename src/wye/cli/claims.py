"""`wye claims`."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wye.cli.output import (
    Format,
    Json,
    Only,
    number_of_runs,
    p_value,
    print_json,
    print_table,
    say,
)
from wye.metrics import metric

if TYPE_CHECKING:
    from wye.evidence.findings import Finding

Ids = Annotated[
    list[str] | None, typer.Argument(metavar="ID", help="Claims, such as S0-C13; all by default.")
]


def add_to(app: typer.Typer) -> None:
    """Enter this file's command."""
    app.command("claims")(claims)


def claims(
    ids: Ids = None,
    runs: Annotated[Path, typer.Option(help="Where the runs are.")] = Path("runs"),
    protocol: Annotated[
        str, typer.Option(help="Runs as published (paper), or of fewer epochs (short).")
    ] = "paper",
    only: Only = None,
    form: Format = "table",
    json: Json = False,
) -> None:
    """Claims of the studies, and what runs say of each."""
    from wye.evidence.collect import runs_by_row
    from wye.evidence.findings import findings
    from wye.recipe.resolve import PROTOCOLS

    collected = runs_by_row(runs, only)
    found = findings(collected, protocol, ids)
    if json or form == "json":
        print_json([one.as_json() for one in found])
    else:
        _print(found, protocol, form)
    for other in PROTOCOLS:
        if other != protocol:
            _tell_of(other, found, findings(collected, other, ids))


def _tell_of(other: str, found: Sequence[Finding], there: Sequence[Finding]) -> None:
    """Say which claims have runs under another protocol alone; they are never mixed."""
    only = [b.claim.id for a, b in zip(found, there, strict=True) if not a.n and b.n]
    if only:
        some = ", ".join(only[:5]) + (" …" if len(only) > 5 else "")
        logging.getLogger("wye").info(
            "claims with runs under the protocol %s alone: %d (%s); --protocol %s shows them",
            *(other, len(only), some, other),
        )


def _print(found: Sequence[Finding], protocol: str, form: str) -> None:
    left, right = "left", "right"
    columns = [("claim", left), ("says", left), ("effect", right), ("95 % interval", right)]
    columns += [("n", right), ("p", right), ("corrected", right), ("verdict", left)]
    print_table(
        columns, [_line(one) for one in found], title=f"under the protocol {protocol}", form=form
    )
    counts = Counter(one.verdict for one in found)
    say(form, ", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    for note in dict.fromkeys(one.note for one in found if one.note):
        say(form, f"{', '.join(one.claim.id for one in found if one.note == note)}: {note}")
    if splits := ", ".join(one.claim.id for one in found if one.overlap and one.n > 1):
        say(
            form,
            f"{splits}: the seeds are overlapping splits; Nadeau and Bengio's correction is"
            " conservative here, where the test set is fixed",
        )
    if any(one.p_corrected is not None for one in found):
        say(
            form,
            "corrected: p by Holm's method, for all claims that were tested under this protocol;"
            " a verdict that doesn't outlast it is marked *",
        )


def _line(one: Finding) -> tuple[str, ...]:
    known = metric(one.claim.metric)
    written = known.show if one.claim.range else known.show_difference
    effect = "" if one.effect is None else f"{written(one.effect)} {one.unit}".rstrip()
    interval = ""
    if one.low is not None and one.high is not None:
        interval = f"{written(one.low)} to {written(one.high)}"
    verdict = one.verdict + ("*" if one.verdict_corrected != one.verdict else "")
    if one.runs_needed is not None:
        verdict += f"; {number_of_runs(one.runs_needed)} would decide"
    n = str(one.n) if one.n else ""
    says = one.claim.says.rstrip(".")
    return (
        one.claim.id,
        says,
        effect,
        interval,
        n,
        p_value(one.p),
        p_value(one.p_corrected),
        verdict,
    )

"""`wye claims`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wye.cli.output import (
    Format,
    Json,
    Only,
    figure,
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
REASONS = 10
"""Claims without an interval beyond which what each lacks is left out."""


def add_to(app: typer.Typer) -> None:
    """Enter this file's command."""
    app.command("claims")(claims)


def claims(
    ids: Ids = None,
    runs: Annotated[Path, typer.Option(help="Where the runs are.")] = Path("runs"),
    protocol: Annotated[
        str | None,
        typer.Option(
            help="Runs as published (paper) alone, or of fewer epochs (short).",
            show_default="paper for claims with three seeds under it, else the one with more seeds",
        ),
    ] = None,
    only: Only = None,
    decided: Annotated[
        bool, typer.Option("--decided", help="Only claims that are supported or refuted.")
    ] = False,
    form: Format = "table",
    json: Json = False,
) -> None:
    """Claims of the studies, what was printed, and what runs say."""
    from wye.evidence.findings import findings

    found = findings(runs, protocol, ids, only)
    form = "json" if json else form
    if form != "json":
        _print_counts(found, form)
    shown = [one for one in found if not decided or one.verdict in ("supported", "refuted")]
    if form == "json":
        print_json([one.as_json() for one in shown])
    else:
        _print(shown, form)


def _print_counts(found: Sequence[Finding], form: str) -> None:
    """How many claims have which verdict, in a line."""
    from wye.evidence.verdict import VERDICTS

    counts = Counter(one.verdict for one in found)
    each = ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS)
    say(form, f"{len(found)} claims: {each}")


def _print(found: Sequence[Finding], form: str) -> None:
    left, right = "left", "right"
    columns = [("claim", left), ("says", left), ("published", right), ("effect", right)]
    columns += [("95 % interval", right), ("n", right), ("protocol", left), ("p", right)]
    columns += [("corrected", right), ("verdict", left)]
    print_table(columns, [_line(one) for one in found], form=form)
    reasons = [f"{one.claim.id}: {one.reason}" for one in found if one.reason]
    if len(reasons) > REASONS:
        reasons = [f"wye claims ID says what it lacks, of these {len(reasons)} for instance"]
    for reason in reasons:
        say(form, reason)
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
            "interval and p allow for a look at each seed from the third to the twentieth;"
            " corrected: p by Holm's method, for all claims that were tested; a verdict that"
            " doesn't outlast it is marked *",
        )


def _line(one: Finding) -> tuple[str, ...]:
    from wye.evidence.looks import LAST

    claim, known = one.claim, metric(one.claim.metric)
    written = known.show if claim.range else known.show_difference
    interval = ""
    if one.low is not None and one.high is not None:
        interval = f"{written(one.low)} to {written(one.high)}"
    verdict = one.verdict + ("*" if one.verdict_corrected != one.verdict else "")
    if one.runs_needed is not None:
        verdict += f"; {number_of_runs(one.runs_needed, LAST)} would decide"
    return (
        claim.id,
        claim.says.rstrip("."),
        *(figure(claim.metric, each, not claim.range) for each in (claim.published, one.effect)),
        interval,
        *((str(one.n), one.protocol) if one.n else ("", "")),
        p_value(one.p),
        p_value(one.p_corrected),
        verdict,
    )

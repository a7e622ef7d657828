"""`wye report`."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wye.cli import completion
from wye.cli.output import Only, tell

if TYPE_CHECKING:
    from wye.runs.run import Run


def add_to(app: typer.Typer) -> None:
    """Enter this file's command."""
    app.command("report")(report)


def report(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Run folders, or folders that hold some.", autocompletion=completion.run_folders
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the pages.")] = Path("report"),
    only: Only = None,
) -> None:
    """A site of runs: figures, claims, curves and pictures.

    Figures as published, as measured and how they differ, galleries, confusion matrices.
    """
    from wye.evidence.collect import by_row
    from wye.evidence.findings import findings
    from wye.evidence.results import shipped
    from wye.recipe.resolve import PROTOCOLS
    from wye.report import write_report
    from wye.runs.records import Record
    from wye.runs.run import find_runs

    roots = runs or [Path("runs")]
    found = [run for root in roots for run in find_runs(root) if _sound(run)]
    here = [Record.of(run) for run in found if run.complete]
    collected = by_row([*here, *(shipped() if only != "here" else [])])
    claims = {protocol: findings(collected, protocol) for protocol in PROTOCOLS}
    tell(write_report(found, out, claims))


def _sound(run: Run) -> bool:
    """Whether all of a run's files can be read; if not, says so."""
    from wye.errors import WyeError
    from wye.runs.records import Record

    try:
        run.recipe, run.result, run.metrics, run.environment, run.inspection  # noqa: B018
        if run.complete:
            Record.of(run)
    except WyeError as error:
        logging.getLogger("wye").warning("left out of the report: %s", error)
        return False
    return True

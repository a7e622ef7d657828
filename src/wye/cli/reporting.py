"""`wye report`."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from wye.runs.folder import Run


def add_to(app: typer.Typer) -> None:
    """Enter this file's command."""
    app.command("report")(report)


def report(
    runs: Annotated[
        list[Path] | None, typer.Argument(help="Run folders, or folders that hold some.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the page.")] = Path("report"),
) -> None:
    """Write one page: published, measured, difference; curves, galleries, confusion matrices."""
    from wye.report import write_report
    from wye.runs.folder import find_runs

    found = [run for root in runs or [Path("runs")] for run in find_runs(root)]
    print(write_report([run for run in found if _sound(run)], out))


def _sound(run: Run) -> bool:
    """Whether all of a run's files can be read; if not, says so."""
    from wye.errors import WyeError

    try:
        run.recipe, run.result, run.metrics, run.environment  # noqa: B018
    except WyeError as error:
        logging.getLogger("wye").warning("left out of the report: %s", error)
        return False
    return True

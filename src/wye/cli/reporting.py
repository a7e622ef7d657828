"""`wye report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


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
    print(write_report(found, out))

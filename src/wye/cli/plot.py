"""`wye plot`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from wye.cli import completion
from wye.cli.output import tell


def add_to(app: typer.Typer) -> None:
    """Enter this file's command."""
    app.command("plot")(plot)


def plot(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN...",
            help="Run folders, or folders that hold some.",
            autocompletion=completion.run_folders,
        ),
    ],
    what: Annotated[
        Literal["curves", "confusion", "gallery", "gain", "all"], typer.Option(help="Which plots.")
    ] = "all",
    out: Annotated[
        Path | None,
        typer.Option(help="A file (.svg, .pdf or .png), or a folder for several plots."),
    ] = None,
) -> None:
    """Curves, confusion matrix and gallery of runs.

    The curves of several runs are drawn in one plot. Without --out the plots of a run go into its
    figures/, those of several runs into this folder. gain: what the arms of the study `when` gain.
    """
    from wye.errors import UsageError
    from wye.plots.runs import draw_runs
    from wye.runs.run import find_runs

    found = []
    for path in runs:
        here = list(find_runs(path))
        if not here:
            raise UsageError(f"{path} holds no run; `wye train ROW` makes one under runs/")
        found += here
    for written in draw_runs(found, what, out):
        tell(written)

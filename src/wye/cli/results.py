"""`wye results`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wye.cli import completion
from wye.cli.output import Format, Json, Only, figure, print_json, print_table, tell

app = typer.Typer(no_args_is_help=True)


@app.command("list")
def list_results(
    runs: Annotated[Path, typer.Option(help="Where the runs are.")] = Path("runs"),
    only: Only = None,
    form: Format = "table",
    json: Json = False,
) -> None:
    """The table of results: a line for each finished run.

    Metrics as stored in JSON and CSV, where every column is; for people the first three.
    """
    from wye.evidence.results import records, table
    from wye.metrics import headlines

    found = records(runs, only)
    if json or form == "json":
        print_json(table(found))
    elif form == "csv":
        lines = table(found)
        columns = list(dict.fromkeys(column for line in lines for column in line))
        cells = [["" if line.get(c) is None else str(line[c]) for c in columns] for line in lines]
        print_table([(column, "left") for column in columns], cells, form=form)
    else:
        columns = ["row", "protocol", "seed", "metrics", "machine", "from"]
        rows: list[list[str]] = []
        for record in found:
            shown = [figure(n, record.metrics[n]) for n in list(headlines(record.metrics))[:3]]
            under = record.protocol or ", ".join(record.changes) or "own"
            place = f"{record.machine or 'unknown'}, {record.precision or 'unknown'}"
            origin = record.where if record.run is None else "here"
            rows.append([record.row, under, str(record.seed), ", ".join(shown), place, origin])
        print_table([(column, "left") for column in columns], rows, form=form)


@app.command("add")
def add_results(
    runs: Annotated[
        list[Path],
        typer.Argument(
            help="Run folders, or folders that hold some.", autocompletion=completion.run_folders
        ),
    ],
    to: Annotated[
        Path | None, typer.Option(help="Folder of the records.", show_default="the package's own")
    ] = None,
) -> None:
    """Add finished runs of rows to the records that come with Wye.

    A record that is there stays, whatever a run says. Weights aren't kept.
    """
    from wye.errors import UsageError
    from wye.evidence.results import add

    for path in runs:
        if not path.is_dir():
            raise UsageError(f"{path} is no folder of runs")
    done = add(runs, to)
    for path, why in [*done.there, *done.left_out]:
        tell(f"{path}: {why}")
    tell(f"{len(done.new)} added, {len(done.there)} there before, {len(done.left_out)} left out")

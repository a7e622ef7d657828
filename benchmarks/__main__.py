"""`python -m benchmarks`: measure, print, and write the page of performance."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.document import GOALS, Document, carry_out, find, page, settings_for
from benchmarks.result import Table
from wye.cli.output import Json, print_json, print_table
from wye.cli.training import Device
from wye.errors import UsageError, WyeError, message_of
from wye.files import write_atomically
from wye.training.ranks import choose_device

PAGE = ("docs", "performance.md")
"""The end of the path of the page that holds for the project."""


def bench(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME",
            help="peak, reference, alternatives, accuracy, fast94, limit, growth, small, airbench,"
            " seeds; all of them if none is given.",
        ),
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="How often each figure is measured.")] = 5,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings from start to end.")] = 3,
    out: Annotated[
        Path | None, typer.Option(help="The page to write as well: docs/performance.md")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="A trial of minutes, whose figures mean little.")
    ] = False,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Measure speed and memory here.

    Beside the studies' own way and this machine's peak.
    """
    if out is not None and quick and out.absolute().parts[-2:] == PAGE:
        raise UsageError(
            f"--quick: its figures mean little, so they are not for {out}; leave out --quick, or"
            " choose another --out"
        )
    if out is not None and not out.absolute().parent.is_dir():
        raise UsageError(f"--out {str(out)!r}: there is no folder {out.parent}")

    def keep(document: Document) -> None:
        if out is not None:
            write_atomically(out, page(document).encode())

    settings = settings_for(choose_device(device), repeats, seeds, quick)
    document = carry_out(names or [], settings, quick, keep)
    if json:
        print_json(document.as_json())
        return
    _print(document)
    if out is not None:
        print(f"page: {out}")


def _print(document: Document) -> None:
    for name, result in document.results.items():
        for index, table in enumerate(result.tables()):
            title = table.title if index else f"{name}: {table.title or find(name).title}"
            _print_table(table, title)
        for line in result.remarks():
            print(line)
    if goals := document.goals():
        _print_table(Table(GOALS, [goal.cells() for goal in goals]), "goals")
    for each in document.left_out:
        print(f"left out: {each.name}: {each.reason}")
    if document.quick:
        print("a quick trial: too short for its figures to mean anything")


def _print_table(table: Table, title: str) -> None:
    first, *others = table.headings
    print_table([(first, "left"), *((name, "right") for name in others)], table.rows, title=title)


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
app.command()(bench)


def main() -> None:
    """Run the command; a mistake ends in one line, as in the command `wye`."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("wye").setLevel(logging.INFO)
    try:
        app(prog_name="python -m benchmarks")
    except (WyeError, OSError, MemoryError) as error:
        print(f"benchmarks: {message_of(error)}", file=sys.stderr)
        sys.exit(error.exit_status if isinstance(error, WyeError) else 1)


if __name__ == "__main__":
    main()

"""What commands print: JSON for programs, tables for people."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from wye.metrics import metric, metrics_of, ordered
from wye.wording import plain

if TYPE_CHECKING:
    from wye.recipe.schema import Recipe
    from wye.runs.run import Run

_GAP = "   "
_LEAST = 8
"""Columns of a terminal that a column of a table is not narrowed below."""

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead.")]
Only = Annotated[
    Literal["here", "shipped"] | None,
    typer.Option(help="Runs that are here alone, or the records that come with Wye."),
]
Format = Annotated[
    Literal["table", "json", "csv", "latex", "markdown"],
    typer.Option("--format", help="Form of the table; --json is short for json."),
]


def print_json(document: Any) -> None:
    """One JSON document on standard output."""
    print(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False))


def figure(name: str, value: float | None, signed: bool = False) -> str:
    """A metric for people, with its unit; an empty string for None."""
    if value is None:
        return ""
    known = metric(name)
    shown = known.show_difference(value) if signed else known.show(value)
    return f"{shown} {known.difference_unit if signed else known.unit}".rstrip()


def printed_figure(recipe: Recipe, name: str) -> str:
    """A published figure for people, with the corrected one where it is known to be wrong."""
    shown = figure(name, recipe.printed().get(name))
    if name in recipe.corrected:
        shown += f" (right: {figure(name, recipe.corrected[name])})"
    return shown.strip()


def p_value(value: float | None) -> str:
    """A p for people; an empty string for None."""
    if value is None:
        return ""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def number_of_runs(count: int, most: int) -> str:
    """How many runs something needs, for people; those beyond `most` are not told apart."""
    return f"{count:,} runs" if count <= most else f"more than {most:,} runs"


def shown_metrics(figures: Iterable[str]) -> list[str]:
    """Those of the names that are metrics of one number, in their order."""
    return ordered(figures)


Columns = Sequence[tuple[str, str]]
"""Heading and `left` or `right` of each column."""


def print_table(
    columns: Columns,
    rows: Iterable[Sequence[str]],
    title: str | None = None,
    form: str = "table",
) -> None:
    """A table on standard output.

    Args:
        rows: the cells.
        title: of a table for people.
        form: `table` for people, on a terminal that is too narrow with folded cells; `csv`,
            `latex` or `markdown` for other programs and papers.
    """
    cells = [[plain(cell).replace("\n", "\\n") for cell in row] for row in rows]
    if form == "table":
        _print_for_people(columns, cells, title)
    else:
        print(FORMS[form](columns, cells), end="")


def _csv(columns: Columns, rows: Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([[heading for heading, _ in columns], *rows])
    return text.getvalue()


def _markdown(columns: Columns, rows: Sequence[Sequence[str]]) -> str:
    def line(cells: Iterable[str]) -> str:
        return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"

    rule = ("---:" if side == "right" else "---" for _, side in columns)
    return "".join(map(line, [[heading for heading, _ in columns], rule, *rows]))


LATEX = str.maketrans(
    {
        **{mark: f"\\{mark}" for mark in "&%$#_{}"},
        **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
        **{"−": "$-$", "±": r"$\pm$", "<": "$<$", ">": "$>$"},
    }
)
"""What stands for the letters that mean something to LaTeX, or that not every font of it has."""


def _latex(columns: Columns, rows: Sequence[Sequence[str]]) -> str:
    def line(cells: Iterable[str]) -> str:
        return " & ".join(cell.translate(LATEX) for cell in cells) + " \\\\\n"

    sides = "".join(side[0] for _, side in columns)
    head, body = line(heading for heading, _ in columns), "".join(map(line, rows))
    rule = "\\hline\n"
    return f"\\begin{{tabular}}{{{sides}}}\n{rule}{head}{rule}{body}{rule}\\end{{tabular}}\n"


FORMS = {"csv": _csv, "latex": _latex, "markdown": _markdown}
"""The forms of a table that are not for a terminal."""


def say(form: str, text: str) -> None:
    """A sentence beside a table: to standard error where the table is for another program."""
    print(text, file=sys.stdout if form == "table" else sys.stderr)


def _print_for_people(
    columns: Columns, rows: Sequence[Sequence[str]], title: str | None = None
) -> None:
    """Written here because rich takes a quarter of a second for the 500 lines of `wye list`."""
    from rich.cells import cell_len

    lines = [[heading for heading, _ in columns], *map(list, rows)]
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    if sys.stdout.isatty():
        _narrow(widths, shutil.get_terminal_size().columns - len(_GAP) * len(widths))
    if title:
        print(plain(title))
    for index, cells in enumerate(lines):
        folded = [_folded(cell, width) for cell, width in zip(cells, widths, strict=True)]
        for parts in zip_longest(*folded, fillvalue=""):
            padded = []
            for part, width, (_, side) in zip(parts, widths, columns, strict=True):
                space = " " * (width - cell_len(part))
                padded.append(space + part if side == "right" else part + space)
            print(f" {_GAP.join(padded)}".rstrip())
        if index == 0:
            print(f" {'─' * (sum(widths) + len(_GAP) * (len(widths) - 1))}")


def _narrow(widths: list[int], room: int) -> None:
    """Take from the widest columns until all of them fit, but no column below `_LEAST`."""
    while sum(widths) > room and max(widths) > _LEAST:
        widths[widths.index(max(widths))] -= 1


def _folded(cell: str, width: int) -> list[str]:
    return textwrap.wrap(cell, width) if len(cell) > width else [cell]


def print_result(run: Run) -> None:
    """A run's test figures beside the published ones."""
    from wye.recipe.measured import caveat

    assert run.result is not None
    recipe, test = run.recipe, metrics_of(run.result)
    complete = run.result["status"] == "complete"
    comparable = complete and recipe.published_data == recipe.data.name
    published = recipe.printed() if comparable else {}
    rows: list[tuple[str, ...]] = []
    caveats = {name: caveat(recipe, name) for name in test}
    for name in shown_metrics({**published, **run.result["test"]}):
        measured = test.get(name)
        wanted = recipe.reference(name) if comparable else None
        difference = None if wanted is None or measured is None else measured - wanted
        rows.append(
            (
                f"{name} *" if caveats.get(name) else name,
                printed_figure(recipe, name) if comparable else "",
                figure(name, measured),
                figure(name, difference, signed=True),
            )
        )
    columns = [("test", "left"), ("published", "right"), ("measured", "right")]
    columns.append(("difference", "right"))
    if not comparable:
        columns, rows = columns[::2], [row[::2] for row in rows]
    print_table(columns, rows, title=f"{recipe.row} on {recipe.data.name}, seed {recipe.seed}")
    for why in dict.fromkeys(filter(None, caveats.values())):
        print(f"* {why}")
    optimistic = run.result.get("best_on_test")
    if optimistic:
        print(
            f"best epoch on the test set (optimistic): {100 * optimistic['accuracy']:.2f} %"
            f" in epoch {optimistic['epoch']}"
        )
    seconds, device = run.result["seconds"], str(run.result.get("device"))
    if (processes := run.result.get("processes", 1)) > 1:
        device = f"{processes} processes, {device.partition(':')[0]}"
    parameters, speed = run.result.get("parameters") or {}, run.result.get("images_per_second") or 0
    print(
        f"{parameters.get('total', 0):,} parameters, trained in {seconds.get('train') or 0:.0f} s"
        f" at {speed:,.0f} images/s ({device}, {run.result.get('precision')}),"
        f" {seconds.get('total') or 0:.0f} s in all"
    )
    if not complete:
        print("training was cut short by --max-steps")
    print(f"run folder: {run.path}")

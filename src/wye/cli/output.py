"""What commands print: JSON for programs, tables for people."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Annotated, Any, Literal, TextIO

import typer

from wye.metrics import metric, metrics_of, ordered
from wye.wording import in_json, plain

if TYPE_CHECKING:
    from wye.recipe.schema import Recipe
    from wye.runs.run import Run

_LEAST = 8
"""Characters that stand in a line however narrow a terminal is."""

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead.")]
Only = Annotated[
    Literal["here", "shipped"] | None,
    typer.Option(help="Runs that are here alone, or the records that come with Wye."),
]
Format = Annotated[
    Literal["table", "json", "csv", "latex", "markdown"],
    typer.Option("--format", help="Form of the table; --json is short for json."),
]


def tell(text: object, end: str = "\n", file: TextIO | None = None, flush: bool = False) -> None:
    """What is printed for people, in which what somebody else named cannot steer the terminal."""
    print(plain(str(text)), end=end, file=file, flush=flush)


def print_json(document: Any) -> None:
    """One JSON document on standard output."""
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    print(in_json(text))


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
        form: `table` for people, folded on a terminal that is too narrow, or to `COLUMNS` where
            that is set; `csv`, `latex` or `markdown` for other programs and papers.
    """
    cells = [[plain(cell).replace("\n", "\\n") for cell in row] for row in rows]
    if form == "table":
        _print_for_people(columns, cells, title)
    else:
        tell(FORMS[form](columns, cells), end="")


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
    tell(text, file=sys.stdout if form == "table" else sys.stderr)


def _print_for_people(
    columns: Columns, rows: Sequence[Sequence[str]], title: str | None = None
) -> None:
    """Written here because rich takes a quarter of a second for the 500 lines of `wye list`.

    Where the terminal is too narrow for the table, cells are folded between words; if whole words
    do not fit, the first column stands on lines of its own; if that is not enough, each row is a
    list of its cells.
    """
    from rich.cells import cell_len

    if title:
        tell(title)
    headings, sides = zip(*columns, strict=True)
    lines = [headings, *rows]
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    gap, apart = 3, False
    limit = shutil.get_terminal_size().columns
    narrow = sys.stdout.isatty() or "COLUMNS" in os.environ
    if narrow and 1 + sum(widths) + gap * (len(widths) - 1) > limit:
        gap = 2
        room = limit - 1 - gap * (len(widths) - 1)
        words = [
            max(cell_len(word) for cell in column for word in [*cell.split(), ""])
            for column in zip(*lines, strict=True)
        ]
        apart = sum(words) > room
        if apart:
            words[0] = widths[0] = 0
        if sum(words) > room:
            _print_records(headings, rows, limit)
            return
        while sum(widths) > room:
            spare = [width > word for width, word in zip(widths, words, strict=True)]
            widths[max(range(len(widths)), key=lambda at: (spare[at], widths[at]))] -= 1
    for index, cells in enumerate(lines):
        if apart and cells[0]:
            tell(f" {cells[0]}")
        shown = ["" if apart else cells[0], *cells[1:]]
        folded = [_folded(cell, width) for cell, width in zip(shown, widths, strict=True)]
        for parts in zip_longest(*folded, fillvalue=""):
            padded = []
            for part, width, side in zip(parts, widths, sides, strict=True):
                space = " " * (width - cell_len(part))
                padded.append(space + part if side == "right" else part + space)
            tell(f" {(' ' * gap).join(padded)}".rstrip())
        if index == 0:
            tell(f" {'─' * (sum(widths) + gap * (len(widths) - 1))}")


def _print_records(headings: Sequence[str], rows: Sequence[Sequence[str]], limit: int) -> None:
    """Each row as a list of the cells that say something, the first one above the others."""
    indent = 5 + max(map(len, headings[1:]), default=0)
    for cells in rows:
        if cells[0]:
            tell(f" {cells[0]}")
        for heading, cell in zip(headings[1:], cells[1:], strict=True):
            for number, part in enumerate(_folded(cell, max(_LEAST, limit - indent))):
                if part:
                    tell(f"{'' if number else f'   {heading}':{indent}}{part}")


def _folded(cell: str, width: int) -> list[str]:
    """The lines of a cell, broken between words; anywhere in one that is too long for a line."""
    if len(cell) <= width:
        return [cell]
    return textwrap.wrap(cell, width, break_on_hyphens=False)


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
        tell(f"* {why}")
    optimistic = run.result.get("best_on_test")
    if optimistic:
        tell(
            f"best epoch on the test set (optimistic): {100 * optimistic['accuracy']:.2f} %"
            f" in epoch {optimistic['epoch']}"
        )
    seconds, device = run.result["seconds"], str(run.result.get("device"))
    if (processes := run.result.get("processes", 1)) > 1:
        device = f"{processes} processes, {device.partition(':')[0]}"
    parameters, speed = run.result.get("parameters") or {}, run.result.get("images_per_second") or 0
    tell(
        f"{parameters.get('total', 0):,} parameters, trained in {seconds.get('train') or 0:.0f} s"
        f" at {speed:,.0f} images/s ({device}, {run.result.get('precision')}),"
        f" {seconds.get('total') or 0:.0f} s in all"
    )
    if not complete:
        tell("training was cut short by --max-steps")
    tell(f"run folder: {run.path}")

"""Pieces of Markdown that several pages are made of."""

from __future__ import annotations

from collections.abc import Iterable


def table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table."""
    lines = [list(headings), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def code(text: str) -> str:
    """Text as code, within a line or a cell."""
    return f"`{text}`".replace("|", "\\|")


def cell(text: str) -> str:
    """Prose in one cell: white space made single, bars escaped."""
    return " ".join(text.split()).replace("|", "\\|")

"""Text in lines of a terminal: its columns, and what would move the cursor taken out."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator


def columns(text: str) -> int:
    """Columns of a terminal that a text takes."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def cut(text: str, width: int) -> str:
    """A text brought to exactly so many columns."""
    text = plain(text)
    if columns(text) > width:
        while columns(text) > width - 1:
            text = text[:-1]
        text += "…"
    return text + " " * (width - columns(text))


def plain(text: str) -> str:
    """A text without what would move a terminal's cursor."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def folded(text: str, indent: str = "  ") -> Iterator[str]:
    """Lines of up to 80 columns."""
    line = ""
    for word in plain(text).split(" "):
        while columns(word) > 80 - len(indent):
            head = word[: 40 - len(indent) // 2]
            if line:
                yield line
                line = ""
            yield indent + head
            word = word[len(head) :]
        if line and columns(line) + 1 + columns(word) > 80:
            yield line
            line = indent + word
        else:
            line = f"{line} {word}" if line else word
    yield line


def by(size: tuple[int, int]) -> str:
    """A width and height, as `30x20`."""
    return f"{size[0]}x{size[1]}"


def some_files(count: int) -> str:
    """So many files, in words."""
    return "1 file" if count == 1 else f"{count:,} files"


def files_are(count: int) -> str:
    """The same, with the verb."""
    return f"{some_files(count)} {'is' if count == 1 else 'are'}"


def some(count: int, noun: str = "picture") -> str:
    """So many pictures, or what else is counted, in words."""
    return f"1 {noun}" if count == 1 else f"{count:,} {noun}s"

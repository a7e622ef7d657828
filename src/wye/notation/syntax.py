"""The grammar of a line: `symbol(value, option=value) > symbol > ...`.

Networks and image transformations are written in it. Values are kept as they were written, so
that text -> line -> text is exact but for white space.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from wye.errors import UsageError
from wye.wording import shown

_TOKEN = re.compile(
    r"(?P<name>[A-Za-z][A-Za-z0-9_]*['’′]?(?=\s*(?:\(|>|$)))"
    r"|(?P<value>[+-]?[A-Za-z0-9.][A-Za-z0-9_.+-]*)"
    r"|(?P<mark>[>(),=])",
    re.ASCII,
)
LONGEST = 10_000
"""Characters of a line."""
MOST_SYMBOLS = 1000
"""Of a line: networks of more take minutes to build."""
_AROUND = 100
"""Characters that are shown of a long line before and behind the place that is wrong."""
_PRIMES = str.maketrans("’′", "''")


class NotationError(UsageError):
    """A line that cannot be read or built: the line, a caret and what was expected."""

    def __init__(self, text: str, position: int, problem: str, where: str = "") -> None:
        self.text = text
        self.position = position
        self.problem = problem
        start, end = max(0, position - _AROUND), position + _AROUND
        seen = "".join(char if char.isprintable() else " " for char in text[start:end])
        before, behind = "…" * (start > 0), "…" * (end < len(text))
        prefix = f"{where}: " if where else ""
        mark = " " * (len(before) + position - start)
        super().__init__(f"{prefix}{problem}\n  {before}{seen}{behind}\n  {mark}^")

    def at(self, where: str) -> NotationError:
        """The same error with the name of the setting that holds the line."""
        return NotationError(self.text, self.position, self.problem, where)


@dataclass(frozen=True)
class Word:
    """A name, value or mark as written, with its position in the line."""

    text: str
    start: int = field(compare=False, default=0)
    kind: str = field(compare=False, default="value")


@dataclass(frozen=True)
class Item:
    """One symbol with its positional values and its options, as written."""

    name: Word
    values: tuple[Word, ...] = ()
    options: tuple[tuple[Word, Word], ...] = ()

    def __str__(self) -> str:
        inner = [value.text for value in self.values]
        inner += [f"{key.text}={value.text}" for key, value in self.options]
        return f"{self.name.text}({', '.join(inner)})" if inner else self.name.text


@dataclass(frozen=True)
class Line:
    """A sequence of items; printing it gives the line in its canonical spacing."""

    items: tuple[Item, ...]
    text: str = field(compare=False, default="")

    def __str__(self) -> str:
        return " > ".join(str(item) for item in self.items)


def _words(text: str) -> list[Word]:
    found: list[Word] = []
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        match = _TOKEN.match(text, position)
        if match is None:
            raise NotationError(text, position, f"unexpected character {text[position]!r}")
        found.append(Word(match.group().translate(_PRIMES), position, match.lastgroup or ""))
        position = match.end()
    return [*found, Word("", len(text), "end")]


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.words = _words(text)
        self.at = 0

    @property
    def next(self) -> Word:
        return self.words[self.at]

    def accept(self, mark: str) -> bool:
        found = self.next.kind == "mark" and self.next.text == mark
        self.at += found
        return found

    def expected(self, what: str) -> NotationError:
        word = self.next
        found = shown(word.text) if word.text else "the end of the line"
        return NotationError(self.text, word.start, f"expected {what}, found {found}")

    def word(self, expected: str, *kinds: str) -> Word:
        word = self.next
        if word.kind not in kinds:
            raise self.expected(expected)
        self.at += 1
        return word

    def item(self) -> Item:
        name = self.word("a symbol such as C(32)", "name")
        values: list[Word] = []
        options: list[tuple[Word, Word]] = []
        if self.accept("(") and not self.accept(")"):
            while True:
                word = self.word("a value or option=value", "name", "value")
                if self.accept("="):
                    if any(key.text == word.text for key, _ in options):
                        problem = f"option {shown(word.text)} is given twice"
                        raise NotationError(self.text, word.start, problem)
                    value = self.word(f"a value for {shown(word.text)}", "name", "value")
                    options.append((word, value))
                elif options:
                    problem = "a value without a name must come before the options"
                    raise NotationError(self.text, word.start, problem)
                else:
                    values.append(word)
                if self.accept(")"):
                    break
                if not self.accept(","):
                    raise self.expected("',' or ')'")
        return Item(name, tuple(values), tuple(options))

    def line(self) -> Line:
        items = [self.item()]
        while self.accept(">"):
            if len(items) == MOST_SYMBOLS:
                problem = f"the line has more than {MOST_SYMBOLS:,} symbols"
                raise NotationError(self.text, self.next.start, problem)
            items.append(self.item())
        if self.next.kind != "end":
            raise self.expected("'>' or the end of the line")
        return Line(tuple(items), self.text)


def parse(text: str) -> Line:
    """Read a line such as `C'(32) > C(32, k=5)`.

    Raises:
        NotationError: the text is not a line, or too long; the error points at the place.
    """
    if len(text) > LONGEST:
        raise NotationError(text, LONGEST, f"the line has more than {LONGEST:,} characters")
    return _Parser(text).line()

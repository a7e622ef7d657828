"""The grammar of a line: `symbol(value, option=value) > symbol > ...`.

Networks and image transformations are written in it. Values are kept as they were written, so
that text -> line -> text is exact but for white space.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from wye.errors import UsageError

_TOKEN = re.compile(
    r"(?P<name>[A-Za-z][A-Za-z0-9_]*['’′]?(?=\s*(?:\(|>|$)))"
    r"|(?P<value>[+-]?[A-Za-z0-9.][A-Za-z0-9_.+-]*)"
    r"|(?P<mark>[>(),=])",
    re.ASCII,
)
_PRIMES = str.maketrans("’′", "''")


class NotationError(UsageError):
    """A line that cannot be read or built: the line, a caret and what was expected."""

    def __init__(self, text: str, position: int, problem: str, where: str = "") -> None:
        self.text = text
        self.position = position
        self.problem = problem
        shown = "".join(char if char.isprintable() else " " for char in text)
        prefix = f"{where}: " if where else ""
        super().__init__(f"{prefix}{problem}\n  {shown}\n  {' ' * position}^")

    def at(self, where: str) -> NotationError:
        """The same error with the name of the setting that holds the line."""
        return NotationError(self.text, self.position, self.problem, where)


@dataclass(frozen=True)
class Word:
    """A value or name as written, with its place in the line."""

    text: str
    start: int = field(compare=False, default=0)


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


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    start: int


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        match = _TOKEN.match(text, position)
        if match is None:
            raise NotationError(text, position, f"unexpected character {text[position]!r}")
        kind = match.lastgroup or ""
        found.append(_Token(kind, match.group().translate(_PRIMES), position))
        position = match.end()
    found.append(_Token("end", "", len(text)))
    return found


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = _tokens(text)
        self.index = 0

    @property
    def token(self) -> _Token:
        return self.tokens[self.index]

    def accept(self, mark: str) -> bool:
        if self.token.kind == "mark" and self.token.text == mark:
            self.index += 1
            return True
        return False

    def fail(self, expected: str) -> NotationError:
        found = f"{self.token.text!r}" if self.token.text else "the end of the line"
        return NotationError(self.text, self.token.start, f"expected {expected}, found {found}")

    def word(self, expected: str) -> Word:
        if self.token.kind not in ("name", "value"):
            raise self.fail(expected)
        word = Word(self.token.text, self.token.start)
        self.index += 1
        return word

    def item(self) -> Item:
        if self.token.kind != "name":
            raise self.fail("a symbol such as C(32)")
        name = self.word("a symbol")
        values: list[Word] = []
        options: list[tuple[Word, Word]] = []
        if self.accept("(") and not self.accept(")"):
            while True:
                word = self.word("a value or option=value")
                if self.accept("="):
                    if any(key.text == word.text for key, _ in options):
                        raise NotationError(
                            self.text, word.start, f"option {word.text!r} is given twice"
                        )
                    options.append((word, self.word(f"a value for {word.text!r}")))
                elif options:
                    raise NotationError(
                        self.text, word.start, "a value without a name must come before the options"
                    )
                else:
                    values.append(word)
                if self.accept(")"):
                    break
                if not self.accept(","):
                    raise self.fail("',' or ')'")
        return Item(name, tuple(values), tuple(options))

    def line(self) -> Line:
        items = [self.item()]
        while self.accept(">"):
            items.append(self.item())
        if self.token.kind != "end":
            raise self.fail("'>' or the end of the line")
        return Line(tuple(items), self.text)


def parse(text: str) -> Line:
    """Read a line such as `C'(32) > C(32, k=5)`.

    Raises:
        NotationError: the text is not a line; the error points at the place.
    """
    return _Parser(text).line()

"""What is said of a value that doesn't fit: the wording that recipes and the notation share."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Mapping
from typing import Any

WIDTH = 60

LONGEST = 2000
"""Characters of a message: whoever reads it has seen enough."""

_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Characters that a terminal obeys, that turn the direction of text, or that are none."""

_STRAY = re.compile("[\ud800-\udfff]")

_KINDS = {
    "bool": "it should be true or false",
    "dict": "it should hold settings",
    "float": "it should be a number",
    "int": "it should be a whole number",
    "list": "it should be a list",
    "model": "it should hold settings",
    "string": "it should be text",
    "tuple": "it should be a list",
}


class _Short(reprlib.Repr):
    """`repr` that looks at no more of a value than it shows."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 3
        self.maxlong = self.maxstring = self.maxother = WIDTH

    def repr_bool(self, value: bool, level: int) -> str:
        return "true" if value else "false"

    def repr_NoneType(self, value: None, level: int) -> str:  # noqa: N802
        return "null"

    def repr_int(self, value: int, level: int) -> str:
        # Python writes no decimal number of more than 4,300 digits.
        return super().repr_int(value, level) if value.bit_length() < 10_000 else hex(value)


def plain(text: str) -> str:
    """Text in which control characters, but for ends of lines and tabs, are seen and not obeyed.

    Names of files and classes are somebody else's.
    """
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def one_line(text: str) -> str:
    """Text with all that is no sign to be seen written as an escape: one line, whatever it held."""
    return plain(text).replace("\n", "\\n").replace("\t", "\\t")


def legible(text: str) -> str:
    """Text that can be written as UTF-8: what a name holds beside that becomes escapes, `\\xff`."""
    return _STRAY.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"


def in_json(document: str) -> str:
    """A JSON document in which those characters are escaped as JSON has it: they are in strings."""
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", document)


def in_line(text: str, most: int = 200) -> str:
    """Somebody else's text as a part of a line: without ends of lines, and cut."""
    line = one_line(text[: most + 1])
    return line if len(text) <= most else f"{line[:most]}…"


def bounded(message: str) -> str:
    """A message as it is printed: plain, and no longer than anybody reads."""
    return plain(message if len(message) <= LONGEST else f"{message[:LONGEST]}…")


def shown(value: Any) -> str:
    """A value as a message repeats it, cut to about 60 characters."""
    text = _Short().repr(value)
    return text if len(text) <= WIDTH + 2 else f"{text[:WIDTH]}…"


def written(default: Any) -> str:
    """A default as a line or a file would have it; `auto` for one that depends on others."""
    if isinstance(default, bool):
        return "yes" if default else "no"
    return "auto" if default is None else str(default)


def wording(error: Mapping[str, Any]) -> str:
    """One of pydantic's errors in plain English, without the value and its place."""
    kind = error["type"]
    if kind == "missing":
        return "this setting is needed"
    if kind == "literal_error":
        choices = error["ctx"]["expected"].replace("'", "")
        return f"it should be {'one of ' if ',' in choices else ''}{choices}"
    if kind == "invalid_key":
        return "the name of a setting should be text"
    if kind == "string_too_short":
        return "it should not be empty"
    family, _, fault = kind.partition("_")
    if family in _KINDS and fault in ("type", "parsing", "parsing_size", "from_float"):
        return _KINDS[family]
    if kind == "model_attributes_type":
        return _KINDS["model"]
    message: str = error["msg"].removeprefix("Value error, ")
    return message.replace("Input should be", "it should be")

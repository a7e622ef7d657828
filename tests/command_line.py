"""What the command answers; `conftest.command_line` calls it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Answer(NamedTuple):
    status: int
    out: str
    err: str


CommandLine = Callable[..., Answer]

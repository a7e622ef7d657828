"""What README, site and examples show: commands, Python programs, and files to be written.

A command is a line of a block that is indented by four spaces or marked as sh. A program is a block
that is marked as python. A block whose first line is `# NAME.yaml` is the content of that file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Literal

ROOT = Path(__file__).parent.parent
TESTS = Path(__file__).parent
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
LISTINGS = ("design.md", "notation.md", "own-images.md")
"""Pages whose indented lines are commands only where they begin with `wye`."""
SHELLS = ("sh", "bash", "shell", "console")

NOT_RUN = {
    r"pip install|make (env|run|test|docs)$": "installs, downloads, or takes minutes",
    r"python -m benchmarks": "takes an hour or more; test_bench.py runs a smaller form",
    r"wye bench": "measures for a minute; test_bench.py runs a smaller form",
    r"wye study .*--cluster": "needs the address of a scheduler; test_study_cluster.py has one",
    r"wye demo|curl": "a server, which runs until it is interrupted; test_demo.py has one",
    r"torchrun": "two processes, seconds each to start; test_distributed.py has them",
    r"wye train wye/transfer|wye train practices/original": "needs ImageNet's weights",
    r"wye train joint/resnet50": "slow at 224 px; test_backbones.py runs such rows",
    r"wye (train|study) .*--track (mlflow|wandb)": "seconds to start; test_tracking.py runs both",
}
"""What is not run here, as patterns, and why; words and options of these are checked."""
FRAGMENTS = {
    "CONTRIBUTING.md": "parts of files of the package; test_new_term.py adds one",
    "demo.md": "asks a server; test_demo.py has one",
}
"""Pages whose Python blocks are no programs, and why."""
OWN_TEST = ("own-images.md", "examples.md")
"""Pages that have a test of their own."""


@dataclass(frozen=True)
class Shown:
    """Something that a page shows.

    Attributes:
        line: where on the page, from 1.
        text: a command without what follows `#`, a program, or the content of a file.
        name: of a file.
    """

    kind: Literal["command", "program", "file"]
    page: Path
    line: int
    text: str
    name: str = ""

    @property
    def reason(self) -> str | None:
        """Why it is not run; None if it is."""
        if self.kind == "program":
            return FRAGMENTS.get(self.page.name)
        found = (why for pattern, why in NOT_RUN.items() if re.match(pattern, self.text))
        return next(found, None) if self.kind == "command" else None

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}: {self.text.splitlines()[0]}"


def with_own_test(page: Path) -> bool:
    """Whether another test runs the page: one that names it."""
    own = (path.read_text() for path in TESTS.glob("test_*.py"))
    return page.name in OWN_TEST and any(page.name in text for text in own)


def shown(page: Path) -> Iterator[Shown]:
    """Everything that a page shows, in order."""
    for line, language, text in _blocks(page.read_text()):
        first = re.match(r"# (\S+\.yaml)\n", text)
        if first:
            yield Shown("file", page, line, text, first[1])
        elif language == "python":
            yield Shown("program", page, line, text)
        else:
            for at, command in enumerate(text.splitlines(), line):
                words = command.removeprefix("$ ").partition(" #")[0].strip()
                listing = page.name in LISTINGS and not words.startswith("wye ")
                said = words and not words.startswith("#") and not listing
                if said and language in ("", *SHELLS):
                    yield Shown("command", page, at, words)


def _blocks(text: str) -> Iterator[tuple[int, str, str]]:
    """First line, language and content of each block of code; indented ones have no language."""
    fence = r"^(?P<indent> *)```(?P<language>\w*)[^\n]*\n(?P<fenced>.*?)^(?P=indent)```"
    indented = r"(?:(?<=\n\n)|\A)(?P<indented>(?:    [^\n]*\n|\n(?=    ))+)"
    for found in re.finditer(f"{fence}|{indented}", text, re.DOTALL | re.MULTILINE):
        if found["fenced"] is not None:
            line = text.count("\n", 0, found.start("fenced")) + 1
            yield line, found["language"] or "text", dedent(found["fenced"])
        else:
            yield text.count("\n", 0, found.start()) + 1, "", dedent(found["indented"])

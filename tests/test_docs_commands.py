"""Everything that README, site and examples show is run, in a small form, page by page.

Each page is run by itself, in an empty folder and in its own order, so that a reader who follows it
finds what it says. `small_world` says what is small.
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from doc_commands import FRAGMENTS, NOT_RUN, PAGES, ROOT, Shown, shown, with_own_test
from small_world import fewer, small_world
from typer.main import get_command
from typer.testing import CliRunner

from wye.cli.app import app
from wye.evidence.claims import Claim
from wye.recipe import identity, resolve
from wye.recipe.overrides import parse_overrides
from wye.studies import load, studies
from wye.studies.load import Grid

__all__ = ["small_world"]

EVERYTHING = [each for page in PAGES if not with_own_test(page) for each in shown(page)]
STUDIES = Path("src/wye/studies")
LEFT_OUT = [each for page in PAGES for each in shown(page) if each.reason]


@pytest.fixture
def write(small_world: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Shown], None]]:
    """Writes a file that a page shows; a study is then one of the package's."""

    def write(file: Shown) -> None:
        path = Path(file.name).absolute()
        if path.parent == STUDIES.absolute():
            shutil.copytree(ROOT / STUDIES, STUDIES)
            monkeypatch.setattr(load, "resources", SimpleNamespace(files=lambda _: path.parent))
            _forget_studies()
        path.write_text(file.text)

    yield write
    if STUDIES.exists():
        _forget_studies()


def _forget_studies() -> None:
    for known in (studies, identity._row_digest, identity._alike):
        known.cache_clear()


@pytest.mark.parametrize(
    "page",
    sorted({each.page for each in EVERYTHING if not each.reason}),
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_what_a_page_shows_does_what_it_says(page: Path, write: Callable[[Shown], None]) -> None:
    for each in (each for each in EVERYTHING if each.page == page and not each.reason):
        if each.kind == "file":
            write(each)
        elif each.kind == "program":
            exec(compile(each.text, str(each), "exec"), {})
        else:
            _run(each)


def _run(command: Shown) -> None:
    words, _, given = command.text.partition(" < ")
    done = CliRunner().invoke(
        app, fewer(shlex.split(words)[1:]), input=Path(given).read_text() if given else None
    )
    problem = f"{command}\n{done.output}"
    assert done.exit_code == 0, problem
    for name in re.findall(r"--(?:out|sheet|mistakes) (\S+)", command.text):
        assert Path(name).exists(), problem


@pytest.mark.parametrize("command", LEFT_OUT, ids=str)
def test_what_is_not_run_has_the_right_words(command: Shown) -> None:
    """The verb, its options, and for rows the row and the overrides."""
    line = command.text.partition("-m wye ")[2] or command.text.partition("wye ")[2]
    if command.kind != "command" or not command.text.startswith(("wye ", "torchrun ")):
        return
    verb, *words = shlex.split(line)
    known = {
        option
        for parameter in get_command(app).commands[verb].params  # type: ignore[attr-defined]
        for option in parameter.opts
    }
    for word in words:
        assert not word.startswith("--") or word in known, f"{word} is no option of {verb}"
    for before, word in zip(["", *words], words, strict=False):
        if word.count("/") == 1 and "=" not in word and not before.startswith("--"):
            resolve(word, parse_overrides(each for each in words if "=" in each))


def test_what_is_left_out_is_still_shown() -> None:
    for pattern in NOT_RUN:
        assert any(re.match(pattern, each.text) for each in LEFT_OUT), pattern
    assert {each.page.name for each in LEFT_OUT if each.kind == "program"} == set(FRAGMENTS)


def test_parts_of_study_files_are_right() -> None:
    page = (ROOT / "docs" / "write-a-study.md").read_text()
    blocks = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    _, grids, claims = map(yaml.safe_load, blocks)
    rows = list(Grid.model_validate(grids["grids"][0]).rows())
    assert len(rows) == 6 and (rows[0], rows[-1]) == ("classifier-10", "joint-1000")
    pair = ("thumbnails/small", "thumbnails/small-beta0")
    assert Claim.model_validate(claims[0]).pairs == (pair,)

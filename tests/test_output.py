"""Tables for people."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from command_line import CommandLine

from wye.cli.output import print_table
from wye.evidence.results import SHIPPED

COLUMNS = [("row", "left"), ("accuracy", "right")]
ROWS = [("joint/v4", "85.69 %"), ("joint/v4-with-a-long-name", "5.1 %")]


def narrow(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    """A terminal of so many columns."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: os.terminal_size((columns, 24)))


def test_columns_are_aligned_and_nothing_is_folded_outside_a_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_table(COLUMNS, [*ROWS, ("x" * 300, "")], title="rows")
    title, head, rule, first, second, long = capsys.readouterr().out.splitlines()
    assert (title, long) == ("rows", " " + "x" * 300)
    assert head.endswith("   accuracy") and first.endswith("    85.69 %")
    assert len(head) == len(rule) == len(first) == len(second) == 300 + 1 + 3 + len("accuracy")


def printed(capsys: pytest.CaptureFixture[str], *arguments: Any) -> list[str]:
    print_table(*arguments)
    return capsys.readouterr().out.splitlines()


def test_a_narrow_terminal_folds_the_widest_columns_between_words(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow(monkeypatch, 38)
    columns = [*COLUMNS, ("says", "left")]
    lines = printed(capsys, columns, [("joint/v4", "85.69 %", "in other and more words")])
    assert max(map(len, lines)) <= 38
    assert [line.split() for line in lines[2:]] == [
        ["joint/v4", "85.69", "%", "in", "other", "and", "more"],
        ["words"],
    ]


def test_names_that_leave_no_room_stand_on_lines_of_their_own(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow(monkeypatch, 30)
    lines = printed(capsys, COLUMNS, [*ROWS, ("", "4 %")])
    assert max(map(len, lines)) <= 30
    assert [line.strip() for line in lines[3:]] == [
        *("joint/v4", "85.69 %", "joint/v4-with-a-long-name", "5.1 %", "4 %")
    ]


@pytest.mark.parametrize("width", [24, 5])
def test_a_hopelessly_narrow_terminal_gets_a_list_for_each_row(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    narrow(monkeypatch, width)
    columns = [*COLUMNS, ("source", "left"), ("verdict", "left")]
    lines = printed(capsys, columns, [("joint/v4", "85.69 %", "", "undecided: a few more runs")])
    assert lines[:2] == [" joint/v4", "   accuracy  85.69 %"]
    assert (
        " ".join(" ".join(lines[2:]).split()) == "verdict undecided: a few more runs" or width < 9
    )
    assert not any("source" in line for line in lines)


def test_a_width_that_is_asked_for_holds_outside_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    assert max(map(len, printed(capsys, COLUMNS, ROWS))) <= 30


@pytest.mark.parametrize("words", [("list",), ("data", "list"), ("results", "list"), ("claims",)])
def test_tables_fit_80_columns_and_break_no_name(
    command_line: CommandLine,
    in_empty_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
) -> None:
    monkeypatch.setattr("wye.evidence.results.SHIPPED", SHIPPED)
    wide = command_line(*words).out
    monkeypatch.setenv("COLUMNS", "80")
    narrower = command_line(*words).out
    sentences = [line for line in wide.splitlines() if not line.startswith(" ")]
    assert max(len(line) for line in narrower.splitlines() if line not in sentences) <= 80
    words_cut = set(wide.split()) - set(narrower.split()) - {"claim"}  # a heading
    assert not [word for word in words_cut if "─" not in word]


def test_wide_characters_count_for_two(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(COLUMNS, [("写真.png", "1 %"), ("photo.png", "2 %")])
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].index("1") + 2 == lines[3].index("2")

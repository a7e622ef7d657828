"""Tables for people."""

from __future__ import annotations

import os
import shutil

import pytest

from wye.cli.output import print_table

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


def test_the_widest_column_is_folded_on_a_narrow_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow(monkeypatch, 30)
    print_table(COLUMNS, ROWS)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 30
    assert [line.split()[0] for line in lines[2:]] == ["joint/v4", "joint/v4-with-a-", "long-name"]
    assert lines[3].endswith("5.1 %")


def test_a_hopelessly_narrow_terminal_leaves_some_width(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow(monkeypatch, 5)
    print_table(COLUMNS, ROWS)
    assert "joint/v4" in capsys.readouterr().out


def test_wide_characters_count_for_two(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(COLUMNS, [("写真.png", "1 %"), ("photo.png", "2 %")])
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].index("1") + 2 == lines[3].index("2")

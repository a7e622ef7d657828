"""What surrounds a command, and what is handed to it, ends in one message of a bounded length."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from command_line import CommandLine

import wye
from wye.cli.output import print_json, tell
from wye.data.opening import most_pixels
from wye.errors import MachineError, UsageError
from wye.machine import Place, check_meeting, here
from wye.notation.syntax import NotationError, parse
from wye.recipe.overrides import parse_overrides
from wye.runs.records import Record
from wye.tune.search import Search
from wye.tune.space import read_space
from wye.wording import LONGEST, in_line, shown

LAUNCHED = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}


def process(*words: str, code: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code] if code else [sys.executable, "-m", "wye", *words]
    kept = {**os.environ, **environment}
    return subprocess.run(command, env=kept, capture_output=True, text=True)


LONG: dict[str, tuple[str, str]] = {
    "characters": ("C(" + "9" * 300_000 + ")", "more than 10,000 characters"),
    "open brackets": ("(" * 50_000, "more than 10,000 characters"),
    "symbols": (">".join(["F"] * 5_000), "more than 1,000 symbols"),
    "wrong in the middle": ("C(32) > " * 500 + "? > " + "C(32) > " * 500, "unexpected character"),
}


@pytest.mark.parametrize("long", LONG)
def test_a_long_line_is_refused_at_once_and_shown_around_the_place(long: str) -> None:
    text, problem = LONG[long]
    start = time.perf_counter()
    with pytest.raises(NotationError, match=problem) as caught:
        parse(text)
    assert time.perf_counter() - start < 2
    _, line, mark = str(caught.value).splitlines()
    assert len(line) < 220
    if long == "wrong in the middle":
        assert line[len(mark) - 1] == "?"


def test_a_thousand_symbols_are_read_in_no_time() -> None:
    text = " > ".join(["C(32)"] * 1000)
    start = time.perf_counter()
    assert str(parse(text)) == text
    assert time.perf_counter() - start < 2


def test_so_many_seeds_are_not_planned(command_line: CommandLine) -> None:
    done = command_line("study", "joint", "--seeds", 9_999_999_999)
    assert done.status == 2 and "10000" in done.err


def test_a_recipe_names_a_key_once(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("encoder: C(4)\nclassifier: L'(classes)\nseed: 1\nseed: 2\n")
    with pytest.raises(UsageError, match=r"own\.yaml .*line 4: the key 'seed' is there twice"):
        wye.recipe.resolve(str(path))
    path.write_text(
        "base: &base {lr: 0.1, momentum: 0.5}\nencoder: C(4)\ntrain: {<<: *base, lr: 1}"
    )
    with pytest.raises(UsageError, match="base: there is no such setting"):
        wye.recipe.resolve(str(path))
    path.write_text(f"encoder: C(4)\nclassifier: L'(classes)\nnotes: [{'a, ' * 2000}]\n")
    with pytest.raises(UsageError, match=r"notes.*at most 1000"):
        wye.recipe.resolve(str(path))


@pytest.mark.parametrize("key", ["seed", "train.lr", "train.epochs"])
def test_a_number_of_thousands_of_digits_is_shown_cut(key: str, tmp_path: Path) -> None:
    overrides = parse_overrides([f"{key}=0x{'f' * 5000}"])
    with pytest.raises(UsageError, match=key) as caught:
        wye.recipe.resolve("joint/v1", overrides)
    assert len(str(caught.value)) < 300
    assert shown(16**5000 - 1).startswith("0xffff") and len(shown(16**5000)) < 70


def test_a_search_that_is_damaged_is_named(tmp_path: Path) -> None:
    words = ["train.lr=0.001..0.1", "data=shapes", "data.validation=0.1"]

    def begin() -> None:
        with Search("joint/v1", read_space(words), 1, tmp_path):
            pass

    begin()
    begin()
    content = (tmp_path / "trials.db").read_bytes()
    for damaged in (b"no database at all" * 100, content[:100] + b"\xff" * (len(content) - 100)):
        (tmp_path / "trials.db").write_bytes(damaged)
        with pytest.raises(MachineError, match=r"trials\.db is damaged"):
            begin()
    (tmp_path / "trials.db").unlink()
    os.mkfifo(tmp_path / "trials.db")
    with pytest.raises(MachineError, match=r"trials\.db is no file"):
        begin()


UNSEEN = "a\x1b[31m\x7f\x9b\u202e\u2066\u061c\udcff"


def test_nothing_that_is_printed_steers_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    tell(UNSEEN)
    assert capsys.readouterr().out == r"a\x1b[31m\x7f\x9b\u202e\u2066\u061c\udcff" + "\n"
    print_json({UNSEEN: "Übung"})
    out = capsys.readouterr().out
    assert json.loads(out) == {UNSEEN: "Übung"} and "Übung" in out
    assert not set(UNSEEN[1:]) & set(out) - set("[31m")


def test_commands_print_by_one_function() -> None:
    for path in sorted((Path(wye.__file__).parent / "cli").glob("*.py")):
        if path.name != "output.py":
            assert " print(" not in path.read_text(), path


def test_a_message_has_an_end(command_line: CommandLine) -> None:
    done = command_line("show", "joint/v1", "a" * 100_000 + ">=1")
    assert done.status == 2 and done.err.startswith("wye: ") and len(done.err) < LONGEST + 50
    done = command_line("show", "joint/v1", "encoder=" + "(" * 50_000)
    assert done.status == 2 and len(done.err) < 700 and "more than 10,000 characters" in done.err
    assert in_line("a\nb\x1b" + "c" * 500) == "a\\nb\\x1b" + "c" * 192 + "…"


WRONG: dict[str, tuple[dict[str, str], str]] = {
    "of thousands of digits": ({"RANK": "9" * 5000}, "RANK='999"),
    "beyond the number": ({"RANK": "7"}, "RANK='7' WORLD_SIZE='2'"),
    "locally beyond": ({"LOCAL_RANK": "2"}, "LOCAL_RANK='2'"),
    "none at all": ({"WORLD_SIZE": "0"}, "WORLD_SIZE='0'"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_processes_that_there_cannot_be(
    wrong: str, monkeypatch: pytest.MonkeyPatch, command_line: CommandLine
) -> None:
    variables, message = WRONG[wrong]
    for name, value in {**LAUNCHED, **variables}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match=message) as caught:
        here()
    assert len(str(caught.value)) < 300
    done = command_line("list")
    assert done.status == 2 and done.err.startswith("wye: RANK='")


def test_processes_must_know_where_they_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in LAUNCHED.items():
        monkeypatch.setenv(name, value)
    assert here() == Place(1, 2, 1, 2)
    for address, port, wrong in (
        ("", "", "MASTER_ADDR is missing"),
        ("localhost", "", "MASTER_PORT is missing"),
        ("localhost", "x", "MASTER_PORT='x'"),
        ("localhost", "9" * 5000, "MASTER_PORT='9"),
    ):
        monkeypatch.setenv("MASTER_ADDR", address)
        monkeypatch.setenv("MASTER_PORT", port)
        with pytest.raises(UsageError, match=wrong):
            check_meeting()
    monkeypatch.setenv("MASTER_PORT", "29500")
    check_meeting()


def test_a_backend_that_is_none_is_named() -> None:
    code = "from wye.plots.style import drawing\nwith drawing(): pass"
    done = process(code=code, MPLBACKEND="zzz")
    assert "wye.errors.UsageError: MPLBACKEND='zzz' is no backend" in done.stderr


@pytest.mark.parametrize(
    "asked",
    [
        {"COMP_WORDS": "wye li", "COMP_CWORD": "9" * 5000},
        {"COMP_WORDS": "wye li", "COMP_CWORD": "-x"},
        {"COMP_CWORD": "1"},
    ],
)
def test_what_no_shell_asks_is_completed_by_nothing(asked: dict[str, str]) -> None:
    done = process(_WYE_COMPLETE="complete_bash", **asked)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_bound_that_is_none_is_shown_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WYE_MOST_PIXELS", "9" * 5000)
    with pytest.raises(UsageError, match="it should be like 200MP") as caught:
        most_pixels()
    assert len(str(caught.value)) < 150


def test_a_folder_that_is_gone_is_said(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    script = f"cd {gone} && rmdir {gone} && {sys.executable} -m wye list"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    message = "wye: the current folder is gone; change to one that is there\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", message)


RECORD: dict[str, Any] = {
    "row": "joint/v1",
    "seed": 0,
    "digest": "0" * 16,
    "data": "cifar10",
    "metrics": {"accuracy": 0.5},
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"answers": {"images": 8, "labels": "x", "right": "??"}}, "answers: damaged answers"),
        (
            {"answers": {"images": 99, "labels": "x", "right": "eNoDAAAAAAE="}},
            "answers: answers to 0",
        ),
        ({"row": "joint/v1\x1b[31m"}, "row: it should be letters"),
        ({"row": "../../x"}, "row: it should be letters"),
        ({"seed": 10**30}, "seed: "),
        ({"a\nb" * 500: 1}, r"a\\nba\\nb"),
    ],
)
def test_a_record_holds_what_it_says(change: dict[str, Any], message: str) -> None:
    Record.read(json.dumps(RECORD), "here")
    with pytest.raises(UsageError, match=f"here: {message}") as caught:
        Record.read(json.dumps({**RECORD, **change}), "here")
    assert len(str(caught.value)) < 500 and "\n" not in str(caught.value)

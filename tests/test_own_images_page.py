"""Every command of docs/own-images.md, in order, in the folder that the page describes."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from folders import draw, flat
from typer.testing import CliRunner

from wye.cli.app import app

PAGE = (Path(__file__).parent.parent / "docs" / "own-images.md").read_text()


@pytest.fixture
def described(in_empty_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the page says is there, and defaults that train for a moment."""
    draw(Path("photos"), count=14, size=(12, 8))
    draw(Path("labelled"), count=6, start=600)
    flat(Path("new"), 4, "cat")
    shutil.copytree("photos", "moved")
    Path("list.txt").write_text("new/300.png\nlabelled/dog\n")
    monkeypatch.setattr("wye.data.defaults.UPDATES", 1)
    monkeypatch.setattr("wye.data.defaults.LEAST_EPOCHS", 1)
    return in_empty_folder


def test_every_command_does_what_it_says(described: Path, without_plots: None) -> None:
    commands = re.findall(r"^    (wye .*)$", PAGE, re.MULTILINE)
    assert len(commands) > 15
    for line in commands:
        words, _, given = line.partition(" < ")
        stdin = Path(given).read_text() if given else None
        done = CliRunner().invoke(app, shlex.split(words)[1:], input=stdin)
        assert done.exception is None and done.exit_code == 0, (line, done.exception, done.output)
        written = re.findall(r"(?:--out|--sheet|--mistakes) (\S+)", line)
        assert all(Path(name).exists() for name in written), line
    [program] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(program, "own-images.md", "exec"), {})
    assert Path("predictions.csv").read_text().startswith("path,class,probability,anomaly,class_2")
    assert len(Path("predictions.jsonl").read_text().splitlines()) == 7

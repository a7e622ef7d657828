"""The examples, each run as it is; docs/examples.md shows them."""

from __future__ import annotations

import ast
import json
import re
import runpy
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from wye.cli.app import app

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
ACCURACY, ERROR = 0.75, 0.05
"""Guessing has an accuracy of 0.1, and the images have a variance of 0.14."""


@pytest.fixture(autouse=True)
def digits(in_empty_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work where `digits.npz` is, as a reader does."""
    monkeypatch.setenv("MPLBACKEND", "agg")
    runpy.run_path(str(EXAMPLES / "digits.py"))


@pytest.mark.parametrize("name", ["scikit_learn.py", "pytorch_loop.py"])
def test_a_program(name: str) -> None:
    _assert_learned(runpy.run_path(str(EXAMPLES / name)))


def test_the_command_line(without_plots: None) -> None:
    text = (EXAMPLES / "command_line.sh").read_text().replace("\\\n", "")
    for line in text.splitlines():
        if line.startswith("wye "):
            done = CliRunner().invoke(app, shlex.split(line)[1:])
            assert done.exit_code == 0, f"{line}\n{done.output}"
        else:
            assert not line or line.startswith("#") or line == "python digits.py"
    test = json.loads(Path("run/result.json").read_text())["test"]
    _assert_learned({"accuracy": test["accuracy"], "error": test["mse"]})
    assert all(map(Path.exists, map(Path, ("mistakes.csv", "reconstructions.png", "codes.npz"))))


def test_the_notebook(without_plots: None) -> None:
    cells = json.loads((EXAMPLES / "notebook.ipynb").read_text())["cells"]
    names: dict[str, Any] = {}
    for cell in (cell for cell in cells if cell["cell_type"] == "code"):
        assert cell["outputs"] == [] and cell["execution_count"] is None
        program = ast.parse("".join(cell["source"]))
        exec(compile(program, "notebook.ipynb", "exec"), names)
        if isinstance(shown := program.body[-1], ast.Expr) and isinstance(shown.value, ast.Name):
            assert "accuracy" in names[shown.value.id]._repr_html_()
    _assert_learned(names)


def test_the_page_shows_every_example() -> None:
    page = (ROOT / "docs" / "examples.md").read_text()
    files = {path.name for path in EXAMPLES.iterdir() if path.is_file()}
    assert set(re.findall(r"\bexamples/([\w.]+\.(?:py|sh|ipynb))", page)) == files


def _assert_learned(found: dict[str, Any]) -> None:
    assert found["accuracy"] > ACCURACY
    assert found["error"] < ERROR

"""Tables for other programs: csv, markdown and LaTeX hold what the table for people holds."""

from __future__ import annotations

import csv
import io
import re

import pytest
from typer.testing import CliRunner

from wye.cli.app import app
from wye.cli.output import FORMS, print_table

COLUMNS = [("row", "left"), ("accuracy", "right")]
CELLS = [["a|b & c_d", "85.69 %"], ['say "x", y', "−1.2 ± 0.3"]]


def printed(form: str, capsys: pytest.CaptureFixture[str]) -> str:
    print_table(COLUMNS, CELLS, title="people only", form=form)
    return capsys.readouterr().out


def test_csv_reads_back(capsys: pytest.CaptureFixture[str]) -> None:
    found = list(csv.reader(io.StringIO(printed("csv", capsys))))
    assert found == [["row", "accuracy"], *CELLS]


def test_markdown_keeps_its_columns(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed("markdown", capsys).splitlines()
    assert lines[0] == "| row | accuracy |" and lines[1] == "| --- | ---: |"
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines[2:]]
    assert [[c.strip().replace("\\|", "|") for c in line] for line in cells] == CELLS


def test_latex_escapes_what_it_would_read(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed("latex", capsys)
    assert text.startswith("\\begin{tabular}{lr}\n\\hline\nrow & accuracy \\\\\n")
    assert r"a|b \& c\_d & 85.69 \% \\" in text
    assert r"$-$1.2 $\pm$ 0.3" in text
    assert text.endswith("\\hline\n\\end{tabular}\n")


@pytest.mark.parametrize("form", FORMS)
def test_rows_are_listed_in_each_form_and_nothing_else_on_standard_output(form: str) -> None:
    done = CliRunner().invoke(app, ["list", "joint", "--format", form], catch_exceptions=False)
    assert done.exit_code == 0
    people = CliRunner().invoke(app, ["list", "joint"], catch_exceptions=False).stdout
    assert "joint/v4-l2" in done.stdout and "joint/v4-l2" in people
    if form == "csv":
        rows = list(csv.DictReader(io.StringIO(done.stdout)))
        (row,) = (row for row in rows if row["row"] == "joint/v4-l2")
        assert row["published"] == "85.69 %" and row["source"] == "S0-25"
        assert all(row["row"] for row in rows), "every line can be told by itself"


@pytest.mark.parametrize("form", FORMS)
def test_claims_put_their_sentences_beside_the_table(form: str) -> None:
    done = CliRunner().invoke(app, ["claims", "S0-C13", "--format", form], catch_exceptions=False)
    assert done.exit_code == 0 and "S0-C13" in done.stdout
    assert "1 claims" not in done.stdout and "1 claims: 0 supported" in done.stderr


def test_json_has_its_short_form() -> None:
    both = (["list", "joint", "--json"], ["list", "joint", "--format", "json"])
    first, second = (
        CliRunner().invoke(app, words, catch_exceptions=False).stdout for words in both
    )
    assert first == second and first.startswith("[")


def test_another_form_is_refused_with_the_known_ones() -> None:
    done = CliRunner().invoke(app, ["list", "--format", "word"])
    assert done.exit_code == 2 and "markdown" in done.output

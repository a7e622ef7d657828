"""The page of the claims: verdicts in words, effects, what was corrected, protocols apart."""

from __future__ import annotations

from pathlib import Path

from report_runs import HOSTILE, Page, finding, findings, links_of, study_run

from wye.evidence.findings import Finding
from wye.report.site import render

PAIR = {"higher": ["joint/v4-l2"], "lower": ["joint/v1"]}


def claims_of(tmp_path: Path, **found: list[Finding]) -> Page:
    runs = [study_run(tmp_path), study_run(tmp_path, "wye/quick")]
    return Page(render(runs, found)["claims.html"])


def row(page: Page, table: int, name: str) -> list[str]:
    lines = [[" ".join(cell.split()) for cell in line] for line in page.tables[table]]
    return next(line for line in lines if name in line[0])


def test_claim_has_effect_interval_tests_and_verdict(tmp_path: Path) -> None:
    page = claims_of(tmp_path, paper=findings())
    first = row(page, 0, "C1")
    assert first[0] == "What C1 says. C1 Accuracy · v4-l2 > v1 · S0 1.9"
    assert "+2.00 [+1.00 to +3.00] points" in first[1]
    assert "published +1.50 points" in first[1]
    assert first[2:] == ["3", "0.012", "0.040", "supported"]
    second = row(page, 0, "C2")
    assert "v4-l2 ≈ v1 · within 0.50 points" in second[0]
    assert second[5] == "refuted undecided after correction"
    third = row(page, 0, "C3")
    assert "by more than 1.00 points" in third[0]
    assert third[5] == "undecided no look up to 20 runs would decide"
    fourth = row(page, 0, "C4")
    assert "v4-l2 · between 84.00 and 87.00 %" in fourth[0]
    assert "85.50 [85.00 to 86.00] %" in fourth[1]
    assert "1 claim without runs" in page.text
    assert "What C5 says." not in str(page.tables)
    single = row(page, 0, "C6")
    assert single[1].endswith("+2.00 points")
    assert single[2:] == ["1", "–", "–", "undecided 12 runs would decide"]
    assert HOSTILE in page.text
    assert page.all("script") == []


def test_rows_with_a_run_are_links(tmp_path: Path) -> None:
    page = claims_of(tmp_path, paper=[finding("C1", **PAIR)], short=[finding("C1", **PAIR)])
    rows = {href for href in links_of(page) if "#row" in href}
    assert rows == {"joint.html#row-joint-v4-l2"}


def test_protocols_with_runs_have_tables_of_their_own(tmp_path: Path) -> None:
    none = [finding("C1", "no runs", n=0, effect=None, low=None, high=None, **PAIR)]
    some = [finding("C1", **PAIR)]

    def shown(**found: list[Finding]) -> list[str]:
        page = claims_of(tmp_path, **found)
        return [str(a["id"]) for a in page.all("section") if a.get("class") == "protocol"]

    assert shown(paper=none, short=some) == ["short"]
    assert shown(paper=some, short=some) == ["paper", "short"]
    assert shown(paper=none, short=none) == ["paper"]


def test_index_counts_the_verdicts(tmp_path: Path) -> None:
    runs = [study_run(tmp_path), study_run(tmp_path, "wye/quick")]
    page = Page(render(runs, {"paper": findings()})["index.html"])
    text = " ".join(page.text.split())
    assert "6 claims of the studies, tested on runs under the protocol paper" in text
    assert "2 supported 1 refuted 2 undecided 0 needs weights 1 no runs" in text
    assert "claims.html" in links_of(page)

"""`wye study --decide`: what is run next, for how long, and what comes of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from command_line import CommandLine
from evidence_runs import plant

import wye.cli.deciding
import wye.evidence.findings
from wye.cli.deciding import Decider
from wye.evidence.claims import read_claims
from wye.evidence.collect import runs_by_row
from wye.evidence.costs import Costs, images, work
from wye.evidence.deciding import best, open_findings, step, worth
from wye.evidence.findings import findings
from wye.evidence.results import records
from wye.jobs import Board, PlannedRun, Status
from wye.recipe import recipe_from_row
from wye.runs.launch import Launch
from wye.runs.records import Record

V1, V11, V12, BETA0 = "joint/v1", "joint/v1.1", "joint/v1.2", "joint/v1-beta0"
WOBBLE = (0.0, 0.002, -0.002, 0.001, -0.001, 0.0005, -0.0005) * 3


def entry(name: str, metric: str = "accuracy", **form: Any) -> dict[str, Any]:
    return {"id": name, "says": f"{name}.", "where": "here", "metric": metric, **form}


MADE_UP = yaml.safe_dump(
    [
        entry("clear", higher=V11, lower=V1),
        entry("near", higher=V12, lower=V1),
        entry("none", higher=BETA0, lower=V1),
        entry("level", row=V1, range=[0.4, 0.5]),
        entry("weights", higher="joint/vgg16", lower=V1),
    ]
)
TRUE = {V1: 0.5, V11: 0.55, V12: 0.5045, BETA0: 0.5}


@pytest.fixture(autouse=True)
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    claims = read_claims(MADE_UP)
    monkeypatch.setattr(wye.evidence.findings, "load_claims", lambda: claims)
    monkeypatch.setattr(wye.cli.deciding, "device_name", lambda device: "A")


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


def made(root: Path, recipe: Any, seconds: float = 60.0) -> None:
    """A run whose accuracy is that of its row and of its seed."""
    noise = WOBBLE[recipe.seed] * (1 + list(TRUE).index(recipe.row))
    path = plant(root, recipe, recipe.seed, accuracy=round(TRUE[recipe.row] + noise, 4))
    (path / "environment.json").write_text('{"device": "cpu", "device_name": "A"}')
    result = json.loads((path / "result.json").read_text())
    result["seconds"]["train"] = seconds
    (path / "result.json").write_text(json.dumps(result))


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch, runs: Path) -> list[tuple[str, int]]:
    """Runs are made up at once; those that were, in order."""
    asked: list[tuple[str, int]] = []

    def at_once(board: Board, workers: int, launch: Callable[[PlannedRun], Launch]) -> None:
        while (run := board.next()) is not None:
            assert launch(run).recipe == run.recipe
            asked.append((run.recipe.row, run.recipe.seed))
            if run.recipe.row == "joint/vgg16":
                board.failed(run, "no weights")
                continue
            made(runs, run.recipe)
            board.begun(run)
            board.apply(run, {"event": "done"})

    monkeypatch.setattr(wye.cli.deciding, "run_locally", at_once)
    return asked


def test_seeds_are_added_where_the_interval_is_near_and_none_where_it_is_clear(
    runs: Path, done: list[tuple[str, int]]
) -> None:
    decider = Decider([], 100, "short", runs, "cpu")
    decider.decide()
    found = {one.claim.id: one for one in decider.found()}
    assert (found["clear"].verdict, found["clear"].n) == ("supported", 3)
    assert (found["near"].verdict, found["near"].n > 3) == ("supported", True)
    assert found["none"].verdict == "undecided"
    assert found["weights"].verdict == "needs weights" and found["level"].n == 0
    assert len(done) == len(set(done)), "nothing is run twice"
    assert {row for row, _ in done} == set(TRUE)
    assert max(seed for row, seed in done if row == V11) == 2
    # A claim without an effect gets no more seeds than a look could decide.
    assert max(seed for _, seed in done) < 20
    assert all(entry.status is Status.DONE for entry in decider.entries.values())


def test_no_run_is_begun_that_would_end_too_late(
    runs: Path, done: list[tuple[str, int]], capfd: pytest.CaptureFixture[str]
) -> None:
    for row in (V1, V11):
        made(runs, recipe_from_row(row, "short"), seconds=600)
    Decider(["clear"], 0.6, "short", runs, "cpu").decide()
    assert done == [] and "takes about 40:00" in capfd.readouterr().err
    Decider(["clear"], 0.7, "short", runs, "cpu").decide()
    assert sorted(done) == [(V1, 1), (V1, 2), (V11, 1), (V11, 2)]


def test_runs_that_are_there_cost_nothing_and_pairs_are_of_one_machine(runs: Path) -> None:
    for seed in range(3):
        for row, seconds in ((V1, 1000), (V12, 10), (V11, 10)):
            if row == V1 or seed == 0:
                recipe = recipe_from_row(row, "short").model_copy(update={"seed": seed})
                made(runs, recipe, seconds)
    known, found = runs_by_row(runs), {}
    for one in open_findings(known, "short", None):
        found[one.claim.id] = step(one, known, Costs(records(runs)), "A", runs)
    near, none = found["near"], found["none"]
    assert near is not None and none is not None and set(found) == {"clear", "near", "none"}
    assert [str(run) for run in near.left] == [f"{V12} seed 1", f"{V12} seed 2"]
    assert near.seconds == 20 and {run.recipe.row for run in none.left} == {BETA0}
    dear = replace(near, worth=near.worth / 2)
    assert best([dear, near]) is near
    # On another machine no run here has a partner, so both rows are run.
    [one] = open_findings(known, "short", ["near"])
    elsewhere = step(one, known, Costs(records(runs)), "B", runs)
    assert elsewhere is not None and {run.recipe.row for run in elsewhere.runs} == {V1, V12}


def test_what_is_not_known_is_reckoned_from_multiply_adds(runs: Path) -> None:
    for row, seconds in ((V1, 100.0), (V11, 300.0)):
        made(runs, recipe_from_row(row, "short"), seconds)
    costs = Costs(records(runs, "here"))
    assert costs.seconds(recipe_from_row(V1, "short")) == 100
    long, short = recipe_from_row(V12), recipe_from_row(V12, "short")
    assert costs.seconds(long) / costs.seconds(short) == pytest.approx(40 / 13)
    rates = [work(row, "short") / seconds for row, seconds in ((V1, 100), (V11, 300))]
    assert costs.seconds(short) == pytest.approx(work(V12, "short") / (sum(rates) / 2))
    counts = {"joint/v1": 47_500, "joint/v4-undersampled": 23_750, "pretrain/cnn": 36_125}
    for row, count in {**counts, "fashion5/cnn": 120_000}.items():
        assert images(recipe_from_row(row).data) == pytest.approx(count)


def test_what_took_so_long_elsewhere_is_scaled_to_this_machine(runs: Path) -> None:
    for row in (V1, V11):
        made(runs, recipe_from_row(row, "short"), 100.0)
    v1, v11 = sorted(records(runs, "here"), key=lambda one: one.row)
    found = [v1.model_copy(update={"seconds": 250.0})]
    found += [Record.model_validate(one.model_dump()) for one in (v1, v11)]
    assert Costs(found).seconds(recipe_from_row(V1, "short")) == 250
    assert Costs(found).seconds(recipe_from_row(V11, "short")) == 250
    assert Costs(found[1:]).seconds(recipe_from_row(V11, "short")) == 100


def test_a_claim_that_no_look_would_decide_gets_no_run(runs: Path) -> None:
    assert worth(0, None, 100) == worth(3, None, 100) == 0.5 / 100
    assert worth(4, 6, 100) == 0.8 / 200
    assert worth(4, 21, 100) is None
    for seed in range(4):
        for row, value in ((V1, 0.5 + 0.01 * (-1) ** seed), (BETA0, 0.5)):
            plant(runs, recipe_from_row(row, "short"), seed, accuracy=value)
    [one] = findings(runs, "short", ["none"])
    assert one.n == 4 and one.runs_needed == 21
    known = runs_by_row(runs)
    assert step(one, known, Costs(records(runs)), "A", runs) is None
    [named] = open_findings(runs_by_row(runs), None, ["weights"])[:1]
    assert named.claim.id == "weights"


def test_the_command_says_what_was_decided(
    runs: Path, done: list[tuple[str, int]], command_line: CommandLine
) -> None:
    words = ("study", "--decide", "clear", "weights", "--hours", "1e6", "--runs", str(runs))
    answer = command_line(*words, "--json")
    assert answer.status == 1 and "joint/vgg16 seed 0 failed: no weights" in answer.err
    document = json.loads(answer.out)
    [claim] = document["claims"]
    assert (claim["id"], claim["verdict"], claim["protocol"]) == ("clear", "supported", "short")
    assert claim["before"] == {"n": 0, "verdict": "no runs"}
    assert document["done"] == len(done) - document["failed"] > 0
    again = command_line("study", "--decide", "clear", "--hours", "50", "--runs", str(runs))
    assert again.status == 0 and "0 runs done" in again.out
    assert "no claim is left" in again.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--decide"], "--hours 8"),
        (["--decide", "S9", "--hours", "1"], "no claim 'S9'"),
        (["--decide", "--hours", "1", "--seeds", "3"], "without --seeds"),
        (["joint", "--hours", "1"], "--hours is for --decide"),
    ],
)
def test_mistakes_are_said(words: list[str], said: str, command_line: CommandLine) -> None:
    answer = command_line("study", *words)
    assert answer.status == 2 and said in answer.err

"""`wye study --decide`: the runs that most likely decide the most claims in some hours."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer

from wye.cli.output import figure, print_json, print_table, tell
from wye.cli.study_progress import StudyProgress, say_failures
from wye.cli.training import command_of
from wye.evidence.collect import runs_by_row
from wye.evidence.costs import Costs
from wye.evidence.deciding import Step, best, finished, open_findings, step
from wye.evidence.findings import Finding, findings
from wye.evidence.results import records
from wye.jobs import Board, Entry, PlannedRun, Status
from wye.jobs.local import run_locally, workers_for
from wye.jobs.plan import each_message_once
from wye.progress import clock
from wye.runs.launch import Launch
from wye.training.ranks import choose_device, device_name


@dataclass
class Decider:
    """Looks at the claims, chooses the next runs and does them, while there is time.

    Attributes:
        ids: claims; none for all.
        hours: no step is begun that is expected to end later.
        protocol: None for whichever decides sooner.
        root: the folder of runs.
        workers: processes side by side; None for as many as suit the device.
        track: see `wye.runs.launch.Launch`.
        entries: how each run ended.
    """

    ids: Sequence[str]
    hours: float
    protocol: str | None
    root: Path
    device: str = "auto"
    workers: int | None = None
    track: tuple[str, ...] = ()
    entries: dict[Path, Entry] = field(default_factory=dict)

    def found(self) -> list[Finding]:
        """What the runs say of the claims now."""
        return findings(self.root, self.protocol, self.ids or None)

    def decide(self) -> None:
        """Run until no claim is left, or none whose runs are expected to fit into the time."""
        begun = time.monotonic()
        with StudyProgress() as progress:
            while True:
                steps = self._steps()
                left = 3600 * self.hours - (time.monotonic() - begun)
                chosen = best(one for one in steps if self._lasts(one) <= left)
                if chosen is None:
                    progress.say(self._why_over(steps))
                    return
                progress.say(self._sentence(chosen))
                board = Board(chosen.runs, finished, progress)
                if not board.over:
                    run_locally(board, self.workers or workers_for(board.left, self.device), self)
                done = board.entries.items()
                self.entries |= {path: e for path, e in done if e.status is not Status.SKIPPED}

    def __call__(self, run: PlannedRun) -> Launch:
        """How a run is launched."""
        recipe = run.recipe
        return Launch(
            recipe=recipe,
            out=run.folder,
            device=self.device,
            resume=True,
            command=command_of(recipe.row, [], recipe.seed, recipe.protocol, None),
            root=self.root,
            track=self.track,
        )

    def _steps(self) -> list[Step]:
        """The next step of each claim that has one, without runs that failed."""
        known, runs = Costs(records(self.root)), runs_by_row(self.root)
        machine = device_name(choose_device(self.device))
        failed = {path for path, entry in self.entries.items() if entry.status is Status.FAILED}
        open_ = open_findings(runs, self.protocol, self.ids or None)
        each = (step(one, runs, known, machine, self.root) for one in open_)
        return [
            one for one in each if one is not None and failed.isdisjoint(r.folder for r in one.left)
        ]

    def _lasts(self, one: Step) -> float:
        """Expected seconds of a step, its runs side by side."""
        recipes = [run.recipe for run in one.left]
        return one.seconds / min(self.workers or workers_for(recipes, self.device), len(recipes))

    def _sentence(self, one: Step) -> str:
        claim, finding = one.finding.claim, one.finding
        effect = figure(claim.metric, finding.effect, signed=not claim.range)
        known = f"{effect} at n={finding.n}" if effect else "no runs"
        under = "" if finding.protocol == "paper" else f", {finding.protocol}"
        seeds: dict[str, list[str]] = {}
        for run in one.left:
            seeds.setdefault(run.recipe.row, []).append(str(run.recipe.seed))
        runs = "; ".join(
            f"{row} seed{'s' if len(each) > 1 else ''} {', '.join(each)}"
            for row, each in seeds.items()
        )
        return f"{claim.id} ({known}{under}), about {clock(self._lasts(one))}: {runs}"

    def _why_over(self, steps: Sequence[Step]) -> str:
        if not steps:
            return "no claim is left that more runs on this machine would decide"
        least = min(steps, key=self._lasts)
        return (
            f"the time is over: the shortest step left, {least.finding.claim.id}, takes about"
            f" {clock(self._lasts(least))}"
        )


def decide(decider: Decider, json: bool) -> None:
    """`wye study --decide`: carry it out, and say which verdicts changed."""
    try:
        with each_message_once():
            before = decider.found()
            decider.decide()
    except KeyboardInterrupt:
        again = shlex.join(["wye", *sys.argv[1:]])
        tell(f"wye: interrupted; finished runs count already: {again}", file=sys.stderr)
        raise typer.Exit(130) from None
    document = _document(decider, before, decider.found())
    say_failures(document["runs"])
    if json:
        print_json(document)
    else:
        _print(document)
    if document["failed"]:
        raise typer.Exit(1)


def _document(
    decider: Decider, before: Sequence[Finding], after: Sequence[Finding]
) -> dict[str, Any]:
    """Every run and how it ended, and each claim that has more seeds or another verdict."""
    runs = [entry.as_json() for entry in decider.entries.values()]
    claims = [
        {**new.as_json(), "before": {"n": old.n, "verdict": old.verdict}}
        for old, new in zip(before, after, strict=True)
        if (old.n, old.verdict, old.protocol) != (new.n, new.verdict, new.protocol)
    ]
    ends = (Status.DONE, Status.FAILED)
    return {
        "runs": runs,
        "claims": claims,
        **{str(end): sum(run["status"] == end for run in runs) for end in ends},
    }


def _print(document: dict[str, Any]) -> None:
    lines = [
        (
            claim["id"],
            f"{claim['before']['verdict']} (n={claim['before']['n']})",
            f"{claim['verdict']} (n={claim['n']})",
            figure(claim["metric"], claim["effect"], signed=not claim["range"]),
        )
        for claim in document["claims"]
    ]
    columns = [("claim", "left"), ("before", "left"), ("now", "left"), ("effect", "right")]
    if lines:
        print_table(columns, lines)
    tell(f"{document['done']} runs done, {document['failed']} failed")

"""`wye study`, and the hidden verb of its workers."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wye.cli import completion
from wye.cli.output import Json, figure, print_json, print_table, tell
from wye.cli.rows import PROTOCOL
from wye.cli.training import Device, Track, command_of

if TYPE_CHECKING:
    from wye.jobs import Board, PlannedRun
    from wye.jobs.plan import Request
    from wye.runs.launch import Launch


Cluster = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="A Dask scheduler, tcp://host:8786.")
]
Shared = Annotated[
    bool,
    typer.Option(
        "--shared/--no-shared",
        help="Let workers of a cluster that see the folder of runs work in it; else they send"
        " their files.",
    ),
]


def add_to(app: typer.Typer) -> None:
    """Enter this file's commands."""
    app.command("study")(study)
    app.command("study-worker", hidden=True)(study_worker)


def study(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="STUDY|ROW... [KEY=VALUE...]",
            help="Studies (all their rows) and rows; settings to change in all of them.",
            autocompletion=completion.targets,
        ),
    ] = None,
    seeds: Annotated[
        int, typer.Option(min=1, max=10_000, help="Runs of each row: seeds 0 to N-1.")
    ] = 1,
    decide: Annotated[
        bool,
        typer.Option(
            "--decide",
            help="Run what most likely decides the most claims: those named instead of rows, or"
            " all.",
        ),
    ] = False,
    hours: Annotated[
        float | None, typer.Option(min=0, help="Time for --decide.", show_default=False)
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Processes that train side by side.",
            show_default="1; on a GPU as many as small networks need to fill it",
        ),
    ] = None,
    cluster: Cluster = None,
    shared: Shared = True,
    protocol: Annotated[
        str | None,
        typer.Option(
            help=PROTOCOL,
            show_default="paper; with --decide whichever decides sooner",
        ),
    ] = None,
    runs: Annotated[Path, typer.Option(help="Where the runs are.")] = Path("runs"),
    device: Device = "auto",
    max_steps: Annotated[
        int | None, typer.Option(min=1, help="End each training after this many steps.")
    ] = None,
    track: Track = None,
    json: Json = False,
) -> None:
    """Rows of a study times N seeds, or what decides claims.

    Goes on where it was stopped. Finished runs are left alone, and so is a run that another process
    works on. A run that fails stops no other; the exit status is 1 then.
    """
    from wye.errors import UsageError
    from wye.recipe.overrides import parse_overrides
    from wye.recipe.resolve import PROTOCOLS

    targets = targets or []
    if track:
        from wye.tracking import check

        check(track)
    if decide:
        if hours is None:
            raise UsageError("--decide: say for how long, for instance --hours 8")
        if seeds != 1 or cluster is not None or max_steps is not None:
            raise UsageError("--decide goes without --seeds, --cluster and --max-steps")
        from wye.cli import deciding

        deciding.decide(
            deciding.Decider(
                targets, hours, protocol, runs, device, workers, track=tuple(track or ())
            ),
            json,
        )
        return
    if hours is not None:
        raise UsageError("--hours is for --decide; a study is run to its end")
    protocol = protocol or PROTOCOLS[0]
    check_alone(cluster, workers)
    changed = [word for word in targets if "=" in word]
    named = [word for word in targets if "=" not in word]
    if not named:
        raise UsageError("no study or row is named; for instance: wye study fashion5 --seeds 3")
    settings = parse_overrides(changed)

    from wye.cli.study_progress import StudyProgress, say_failures, summary
    from wye.jobs import Board, plan
    from wye.jobs.plan import each_message_once, requested
    from wye.runs.launch import Launch

    again = shlex.join(["wye", *sys.argv[1:]])
    with each_message_once():
        request = requested(named, settings, protocol)
        planned = plan(request.repeated(seeds), runs, settings)

    def launch(run: PlannedRun) -> Launch:
        recipe, target = run.recipe, request.targets.get(run.recipe.row)
        # `wye train` takes dependencies as they stand in their studies, so it would repeat less.
        command = again
        if target is not None and not (run.dependencies and changed):
            command = command_of(target, changed, recipe.seed, protocol, max_steps)
        return Launch(
            recipe=recipe,
            out=run.folder,
            device=device,
            resume=True,
            max_steps=max_steps,
            command=command,
            root=runs,
            changed=settings,
            track=tuple(track or ()),
        )

    try:
        with StudyProgress() as progress:
            board = Board(planned, lambda run: _finished(run, max_steps), progress)
            progress.say(summary(board))
            if cluster is not None:
                from wye.jobs.cluster import run_on_cluster

                run_on_cluster(board, cluster, runs, launch, shared)
            elif not board.over:
                from wye.jobs.local import run_locally, workers_for

                run_locally(board, workers or workers_for(board.left, device), launch)
    except KeyboardInterrupt:
        tell(f"wye: interrupted; everything can be resumed: {again}", file=sys.stderr)
        raise typer.Exit(130) from None
    document = _document(board, request, seeds)
    say_failures(document["runs"])
    if json:
        print_json(document)
    else:
        _print(board, document)
    if document["failed"]:
        raise typer.Exit(1)


def check_alone(cluster: str | None, workers: int | None) -> None:
    """Raise UsageError if workers of this machine and those of a cluster are asked for."""
    from wye.errors import UsageError

    if cluster is not None and workers is not None:
        raise UsageError("--workers is of this machine, a cluster has its own: drop one of the two")


def study_worker() -> None:
    """Do the runs that `wye study` writes to standard input."""
    import signal

    # Before anything slow: Ctrl-C reaches every process of a terminal, and the study answers it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    from wye import api
    from wye.jobs.worker import serve

    serve(api.run)


def _finished(run: PlannedRun, max_steps: int | None) -> bool:
    """Whether nothing is left to do for a run, its plots included."""
    from wye.api import drawn
    from wye.errors import WyeError
    from wye.runs.folder import RunFolder
    from wye.runs.holding import finished_run

    try:
        found = finished_run(run.recipe, RunFolder(run.folder), max_steps=max_steps)
    except WyeError:
        return False  # its worker says what is wrong
    return found is not None and drawn(found)


def _document(board: Board, request: Request, seeds: int) -> dict[str, Any]:
    """Every run and how it ended."""
    runs = [entry.as_json() for entry in board.entries.values()]
    runs += [
        {
            "row": row,
            "seed": seed,
            "folder": None,
            "status": "failed",
            "seconds": None,
            "message": message,
        }
        for row, message in request.refused.items()
        for seed in range(seeds)
    ]
    ends = ("done", "failed", "skipped")
    return {"runs": runs, **{end: sum(run["status"] == end for run in runs) for end in ends}}


def _print(board: Board, document: dict[str, Any]) -> None:
    """A line per row: how many runs there are of it, and what they measured."""
    from wye.jobs import Status
    from wye.metrics import headlines, metrics_of, ordered, spread
    from wye.recipe.measured import caveat
    from wye.runs.run import Run

    rows: dict[str, list[Run]] = {run["row"]: [] for run in document["runs"]}
    failed = dict.fromkeys(rows, 0)
    for entry in board.entries.values():
        if entry.status in (Status.DONE, Status.SKIPPED):
            rows[entry.run.recipe.row].append(Run(entry.run.folder))
    for run in document["runs"]:
        failed[run["row"]] += run["status"] == "failed"
    lines = []
    for row, runs in rows.items():
        measured = [metrics_of(run.result or {}) for run in runs]
        name = ""
        if measured:
            known = [*ordered(runs[0].recipe.published), *headlines(measured[0]), *measured[0]]
            name = next((name for name in known if name in measured[0]), "")
        found = spread([values[name] for values in measured if name in values])
        shown = figure(name, found.mean) if found else ""
        if found and found.sd is not None:
            shown += f" ± {figure(name, found.sd)}"
        if found and (why := caveat(runs[0].recipe, name)):
            shown += f" ({why})"
        lines.append((row, str(len(runs)), str(failed[row] or ""), name, shown))
    columns = [("row", "left"), ("runs", "right"), ("failed", "right")]
    columns += [("test", "left"), ("measured", "right")]
    print_table(columns, lines)
    counts = f"{document['done']} done now, {document['skipped']} done before"
    tell(f"{counts}, {document['failed']} failed")

"""`wye tune`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wye.cli import completion
from wye.cli.output import Json, print_json, print_table, tell
from wye.cli.rows import Protocol
from wye.cli.study import Cluster, Shared, check_alone
from wye.cli.training import Device, command_of

if TYPE_CHECKING:
    from wye.jobs import PlannedRun
    from wye.runs.launch import Launch
    from wye.tune import Search

SHOWN = 5
"""Trials that are printed, the best ones."""


def add_to(app: typer.Typer) -> None:
    """Enter this file's command."""
    app.command("tune")(tune)


def tune(
    row: Annotated[
        str,
        typer.Argument(help="A row, a recipe file, or own images.", autocompletion=completion.rows),
    ],
    settings: Annotated[
        list[str],
        typer.Argument(
            metavar="KEY=LOW..HIGH[:log]|A,B|VALUE",
            help="Ranges and alternatives to choose from; settings that are the same in all.",
            autocompletion=completion.settings,
        ),
    ],
    trials: Annotated[int, typer.Option(min=1, help="Trials, with those of before.")] = 20,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Trials that train side by side.", show_default="1"),
    ] = None,
    cluster: Cluster = None,
    shared: Shared = True,
    seed: Annotated[int, typer.Option(help="Seed of the choices and of every trial.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the search.", show_default="tune/<row>")
    ] = None,
    runs: Annotated[Path, typer.Option(help="Where runs are that the row needs.")] = Path("runs"),
    device: Device = "auto",
    protocol: Protocol = "paper",
    json: Json = False,
) -> None:
    """Search settings by what they reach on the validation part.

    Goes on where it was stopped. A trial that falls behind the median of the others is given up.
    The test images are not looked at: the recipe that is found is for `wye train`. On a cluster,
    runs that the row needs are trained in the folder of the search, not looked for in `--runs`.
    """
    import importlib.util

    from wye.errors import UsageError

    if importlib.util.find_spec("optuna") is None:
        raise UsageError("wye tune needs Optuna: pip install 'wye[tune]'")
    check_alone(cluster, workers)

    from wye.cli.search_progress import SearchProgress
    from wye.jobs.local import run_locally
    from wye.jobs.plan import each_message_once
    from wye.runs.launch import Launch
    from wye.tune import Search, read_space
    from wye.tune.board import SearchBoard

    def launch(run: PlannedRun) -> Launch:
        return Launch(
            recipe=run.recipe,
            out=run.folder,
            device=device,
            resume=True,
            root=runs,
            measure_test=False,
        )

    space = read_space(settings)
    again = shlex.join(["wye", *sys.argv[1:]])
    with each_message_once(), Search(row, space, trials, out, seed, protocol) as search:
        try:
            with SearchProgress(search) as progress:
                board = SearchBoard(search, progress)
                if cluster is not None:
                    from wye.jobs.cluster import run_on_cluster

                    run_on_cluster(board, cluster, search.folder, launch, shared)
                else:
                    run_locally(board, workers or 1, launch)
        except KeyboardInterrupt:
            tell(f"wye: interrupted; to go on: {again}", file=sys.stderr)
            raise typer.Exit(130) from None
        _report(search, json)


def _report(search: Search, json: bool) -> None:
    """The best trials, what matters, and the command of the recipe that was found."""
    from wye.cli.search_progress import shown
    from wye.plots.importances import importances_figure
    from wye.plots.output import save
    from wye.plots.style import available

    best, ended, importances = search.best(), search.ended(), search.importances()
    place = search.folder / "importances.svg"
    if importances and available():
        save(importances_figure(importances, search.metric), place)
    command = None
    if best is not None:
        command = command_of(search.target, list(best.words), search.seed, search.protocol, None)
    if json:
        print_json(
            {
                "row": search.row,
                "metric": search.metric,
                "trials": [vars(trial) for trial in ended],
                "best": vars(best) if best else None,
                "command": command,
                "importances": importances,
                "picture": str(place) if importances and available() else None,
            }
        )
    else:
        fixed = len(search.space.fixed)
        columns = [("trial", "right"), ("settings", "left"), (search.metric, "right")]
        lines = [
            (str(trial.number), " ".join(trial.words[fixed:]), shown(search, trial.value))
            for trial in search.ranked()[:SHOWN]
            if trial.value is not None
        ]
        print_table(columns, lines, title=f"{search.row}: {len(ended)} trials, on validation")
        for name, value in importances.items():
            tell(f"{name} explains {100 * value:.0f} % of the variation")
        if importances and available():
            tell(f"picture: {place}")
        elif importances:
            tell("no picture without matplotlib: pip install 'wye[plots]'")
        else:
            tell("too few trials came to their end to say which setting matters")
        if command:
            tell(f"to train what was found: {command}")
    if best is None:
        tell("wye: no trial came to its end", file=sys.stderr)
        raise typer.Exit(1)

"""`wye train`."""

from __future__ import annotations

import shlex
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wye.cli import completion
from wye.cli.output import Json, figure, print_json, print_result, print_table, tell
from wye.cli.rows import Overrides, Protocol
from wye.machine import here

if TYPE_CHECKING:
    from wye.runs.launch import Launch
    from wye.runs.run import Run

Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")]
Track = Annotated[
    list[str] | None,
    typer.Option(
        metavar="tensorboard|wandb|mlflow",
        help="Hand epochs, settings, pictures and the result on; may be repeated.",
    ),
]


def add_to(app: typer.Typer) -> None:
    """Enter this file's command."""
    app.command("train")(train)


def train(
    row: Annotated[
        str,
        typer.Argument(
            help="A row, a recipe file, or own images: folder, table or arrays.",
            autocompletion=completion.rows,
        ),
    ],
    overrides: Overrides = None,
    seed: Annotated[int | None, typer.Option(help="Seed of every random stream.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Run folder.", show_default="runs/<row>/seed-<n>"),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run there.")] = False,
    device: Device = "auto",
    protocol: Protocol = "paper",
    max_steps: Annotated[
        int | None, typer.Option(min=1, help="End training after this many steps.")
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="RUN",
            help="Begin with all layers of a run that fit.",
            autocompletion=completion.run_folders,
        ),
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="Where own images are now, to --resume a run.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse own images that cannot be read.")
    ] = False,
    splits: Annotated[
        bool, typer.Option("--splits", help="All random splits of the row's study, a seed each.")
    ] = False,
    track: Track = None,
    json: Json = False,
) -> None:
    """Train and measure one run, or one for each split.

    Started by torchrun, its processes train together.
    """
    from wye.errors import UsageError
    from wye.progress import Progress
    from wye.recipe.overrides import parse_overrides
    from wye.runs.folder import folder_of
    from wye.runs.launch import Launch
    from wye.runs.own import resolve_own

    if out is not None and (not str(out).strip(".") or (out.exists() and not out.is_dir())):
        raise UsageError(f"--out {str(out)!r}: it should be a folder of the run's own")
    settings = parse_overrides(overrides or [])
    if start is not None:
        settings = _beginning_with(start, settings)
    if seed is not None:
        settings["seed"] = seed
    begun = partial(folder_of, out=out) if resume and not splits else None
    recipe = resolve_own(row, settings, protocol, begun)
    count = recipe.evaluation.splits if splits else 1
    if splits and count == 1:
        raise UsageError(
            f"--splits: {recipe.row} has one split; evaluation.splits=5 would make it five"
        )
    runs = []
    for index in range(count):
        one = recipe.model_copy(update={"seed": recipe.seed + index})
        command = command_of(row, overrides or [], one.seed, protocol, max_steps, start)
        place = out / f"seed-{one.seed}" if out is not None and splits else out
        run = _run(
            Launch(
                recipe=one,
                out=place,
                device=device,
                resume=resume,
                max_steps=max_steps,
                observe=Progress,
                command=command,
                data=data,
                strict=strict,
                track=tuple(track or ()),
            )
        )
        if not json and here().is_main:
            print_result(run)
        runs.append(run)
    if not here().is_main:
        return
    if splits:
        _print_splits(runs, json)
    elif json:
        print_json(runs[0].result)
    sys.stdout.flush()


def _beginning_with(start: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """The settings with what `--from` stands for."""
    from wye.errors import UsageError
    from wye.files import expanded
    from wye.recipe.parts import FITTING
    from wye.runs.run import Run
    from wye.studies.load import merge

    if "transfer" in settings:
        raise UsageError("--from and transfer both say which weights to begin with; one is enough")
    path = Run(expanded(start).resolve()).path
    return merge(settings, {"transfer": {"row": str(path), "layers": [FITTING]}})


def _run(launch: Launch) -> Run:
    """Train and measure one run; if it is interrupted, say how to go on."""
    from wye import api

    place = f" --out {shlex.quote(str(launch.out))}" if launch.out is not None else ""
    go_on = f"{launch.command}{place} --resume"
    try:
        return api.run(launch)
    except KeyboardInterrupt:
        if here().is_main:
            tell(f"wye: interrupted; to go on: {go_on}", file=sys.stderr)
        raise typer.Exit(130) from None
    except OSError:
        if (launch.folder.path / "last.ckpt").exists():
            tell(f"wye: the epochs done are kept; to go on: {go_on}", file=sys.stderr)
        raise


def _print_splits(runs: list[Run], json: bool) -> None:
    """The splits side by side: mean, deviation, and the best by the test set, labelled so."""
    from wye.evidence.splits import summary
    from wye.recipe.measured import caveat

    found = summary(runs)
    if json:
        print_json({"row": runs[0].recipe.row, "runs": [r.result for r in runs], "splits": found})
        return
    columns = [("test", "left"), ("mean", "right"), ("deviation", "right")]
    columns += [("best split (optimistic)", "right"), ("seed", "right")]
    caveats = {name: caveat(runs[0].recipe, name) for name in found}
    lines = [
        (
            f"{name} *" if caveats[name] else name,
            figure(name, of["mean"]),
            figure(name, of["sd"]),
            figure(name, of["best"]["value"]),
            str(of["best"]["seed"]),
        )
        for name, of in found.items()
    ]
    print_table(columns, lines, title=f"{runs[0].recipe.row}, {len(runs)} random splits")
    for why in dict.fromkeys(filter(None, caveats.values())):
        tell(f"* {why}")


def command_of(
    row: str,
    overrides: list[str],
    seed: int,
    protocol: str,
    max_steps: int | None,
    from_run: Path | None = None,
) -> str:
    """The command that repeats this run somewhere else."""
    begun = ["--from", str(from_run)] if from_run is not None else []
    under = ["--protocol", protocol] if protocol != "paper" else []
    cut = ["--max-steps", str(max_steps)] if max_steps is not None else []
    start = [*here().launcher, "wye", "train"]
    return shlex.join([*start, row, *overrides, "--seed", str(seed), *under, *cut, *begun])

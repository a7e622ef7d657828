"""`wye train`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from wye.cli.output import Json, print_json, print_result
from wye.cli.rows import Overrides

Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")]


def add_to(app: typer.Typer) -> None:
    """Enter this file's command."""
    app.command("train")(train)


def train(
    row: Annotated[str, typer.Argument(help="A row, a recipe file or a folder of images.")],
    overrides: Overrides = None,
    seed: Annotated[int | None, typer.Option(help="Seed of every random stream.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Run folder.", show_default="runs/<row>/seed-<n>"),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run there.")] = False,
    device: Device = "auto",
    max_steps: Annotated[
        int | None, typer.Option(min=1, help="End training after this many steps.")
    ] = None,
    json: Json = False,
) -> None:
    """Train and measure one run."""
    from wye.api import train_recipe
    from wye.cli.progress import Progress
    from wye.errors import UsageError
    from wye.recipe import resolve
    from wye.recipe.overrides import parse_overrides
    from wye.recipe.schema import Recipe
    from wye.runs.folder import default_folder

    if out is not None and (not str(out).strip(".") or (out.exists() and not out.is_dir())):
        raise UsageError(f"--out {str(out)!r}: it should be a folder of the run's own")
    settings = parse_overrides(overrides or [])
    if seed is not None:
        settings["seed"] = seed
    recipe: Recipe = resolve(row, settings)
    command = _command(row, overrides or [], recipe.seed, max_steps)
    place = f" --out {shlex.quote(str(out))}" if out is not None else ""
    go_on = f"{command}{place} --resume"
    try:
        with Progress(recipe) as progress:
            run = train_recipe(
                recipe,
                out=out,
                device=device,
                resume=resume,
                max_steps=max_steps,
                observer=progress,
                command=command,
            )
    except KeyboardInterrupt:
        print(f"wye: interrupted; to go on: {go_on}", file=sys.stderr)
        raise typer.Exit(130) from None
    except OSError:
        place_of_run = out or default_folder(recipe)
        if (place_of_run / "last.ckpt").exists():
            print(f"wye: the epochs done are kept; to go on: {go_on}", file=sys.stderr)
        raise
    if json:
        print_json(run.result)
    else:
        print_result(run)
    sys.stdout.flush()


def _command(row: str, overrides: list[str], seed: int, max_steps: int | None) -> str:
    """The command that repeats this run somewhere else."""
    cut = ["--max-steps", str(max_steps)] if max_steps is not None else []
    return shlex.join(["wye", "train", row, *overrides, "--seed", str(seed), *cut])

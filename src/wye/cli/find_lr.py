"""`wye find-lr`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wye.cli import completion
from wye.cli.output import Json, print_json, tell
from wye.cli.rows import Overrides
from wye.cli.training import Device


def add_to(app: typer.Typer) -> None:
    """Enter this file's command."""
    app.command("find-lr")(find)


def find(
    row: Annotated[
        str,
        typer.Argument(
            help="A row, a recipe file or a folder of images.", autocompletion=completion.rows
        ),
    ],
    overrides: Overrides = None,
    seed: Annotated[int | None, typer.Option(help="Seed of every random stream.")] = None,
    out: Annotated[Path, typer.Option(help="The plot to write: .svg, .pdf or .png.")] = Path(
        "find-lr.svg"
    ),
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Suggest a learning rate, from 100 steps in which it rises.

    They train a copy; no run is begun.
    """
    from wye.plots.lr import lr_figure
    from wye.plots.output import check_format, save
    from wye.plots.style import available
    from wye.recipe.overrides import parse_overrides
    from wye.runs.own import resolve_own
    from wye.runs.setup import set_up
    from wye.training.find_lr import find_lr
    from wye.training.precision import channels_last, choose_precision
    from wye.training.ranks import choose_device

    check_format(out)
    settings = parse_overrides(overrides or [])
    if seed is not None:
        settings["seed"] = seed
    recipe = resolve_own(row, settings)
    where = choose_device(device)
    setup = set_up(recipe)
    network = channels_last(setup.network.to(where))
    precision = choose_precision(recipe.train.precision, network, where)
    found = find_lr(recipe, network, setup.data.to(where), setup.streams, precision, setup.features)
    tenth = found.minimum / 10
    marks = {"steepest": found.suggestion, "a tenth of the minimum's": tenth}
    if available():
        save(lr_figure(found.rates, found.losses, marks), out)
    if json:
        print_json(
            {
                "row": recipe.row,
                "suggestion": found.suggestion,
                "minimum": found.minimum,
                "rates": found.rates,
                "losses": found.losses,
                "picture": str(out) if available() else None,
            }
        )
        return
    tell(f"{recipe.row}: {len(found.rates)} steps up to a rate of {found.rates[-1]:.1e}")
    tell(f"steepest descent at train.lr={found.suggestion:.1e}, the suggestion")
    tell(f"least loss at {found.minimum:.1e}; a tenth of it, the cautious choice, is {tenth:.1e}")
    tell(
        f"picture: {out}"
        if available()
        else "no picture without matplotlib: pip install 'wye[plots]'"
    )

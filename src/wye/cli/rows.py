"""`wye list` and `wye show`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wye.cli import completion
from wye.cli.output import (
    Format,
    Json,
    Only,
    figure,
    print_json,
    print_table,
    printed_figure,
    say,
    tell,
)
from wye.metrics import headlines

if TYPE_CHECKING:
    from wye.recipe.schema import Recipe
    from wye.studies.load import Grid

Overrides = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="KEY=VALUE",
        help="Changed settings: train.epochs=10",
        autocompletion=completion.settings,
    ),
]
PROTOCOL = "paper: the row as published. short: its study's fewer epochs."
Protocol = Annotated[str, typer.Option(help=PROTOCOL)]


def add_to(app: typer.Typer) -> None:
    """Enter this file's commands."""
    app.command("list")(list_rows)
    app.command("show")(show_row)


def list_rows(
    study: Annotated[
        str | None, typer.Argument(help="Only this study.", autocompletion=completion.study_names)
    ] = None,
    runs: Annotated[Path, typer.Option(help="Where the runs are.")] = Path("runs"),
    protocol: Annotated[
        str | None,
        typer.Option(
            help=PROTOCOL,
            show_default="paper; short of rows without such runs, marked so",
        ),
    ] = None,
    only: Only = None,
    form: Format = "table",
    json: Json = False,
) -> None:
    """Rows: what was published, and what has been measured."""
    from wye.errors import UsageError
    from wye.evidence.measured import measured_figures
    from wye.recipe import recipe_from_row
    from wye.registry import suggest
    from wye.studies import studies

    known = studies()
    if study is not None and study not in known:
        raise UsageError(f"there is no study {study!r}; {suggest(study, known)}")
    measured = measured_figures(runs, protocol, only)
    # The rows of grids are hundreds: the lines below the table name them.
    form = "json" if json else form
    whole = form == "json" or study is not None
    recipes = [
        recipe_from_row(f"{name}/{row}")
        for name in ([study] if study else known)
        for row, settings in known[name].rows.items()
        if whole or "factors" not in settings
    ]
    if form == "json":
        print_json(
            [
                {
                    "row": recipe.row,
                    "study": recipe.study,
                    "source": recipe.source,
                    "dataset": recipe.data.name,
                    "constraint": recipe.constraint,
                    "control_of": recipe.control_of,
                    "published": recipe.published,
                    "corrected": recipe.corrected,
                    "measured": measured.get(recipe.row, {}),
                }
                for recipe in recipes
            ]
        )
        return
    columns = [("row", "left"), ("source", "left"), ("data", "left")]
    columns += [("metric", "left"), ("published", "right"), ("measured", "right")]
    lines = []
    for recipe in recipes:
        figures = measured.get(recipe.row, {})
        names = list(dict.fromkeys([*recipe.printed(), *_worth_showing(figures)]))
        for index, name in enumerate(names or [""]):
            head = (recipe.row, recipe.source or "", recipe.data.name)
            lines.append(
                (
                    *(head if index == 0 or form != "table" else ("", "", "")),
                    name,
                    printed_figure(recipe, name),
                    _spread(name, figures.get(name)) + _marked(recipe, name, figures),
                )
            )
    print_table(columns, lines, form=form)
    if study is None:
        for name, entry in known.items():
            if grids := entry.grids:
                count = sum(len(grid.rows()) for grid in grids)
                some = f"and {count} rows of {name} by {_factors(grids[0])}: wye list {name}"
                say(form, some)


def _factors(grid: Grid) -> str:
    """`arm, labels and balance`."""
    *names, last = grid.factors
    return f"{', '.join(names)} and {last}" if names else last


def _worth_showing(measured: dict[str, Any]) -> list[str]:
    return list(headlines(measured))


def _marked(recipe: Recipe, name: str, measured: dict[str, Any]) -> str:
    from wye.recipe.measured import caveat

    if name not in measured:
        return ""
    judge = measured[name].get("judge")
    why = caveat(recipe, name) or (f"judged by {judge}" if judge else "")
    return f" ({why})" if why else ""


def _spread(name: str, statistics: dict[str, Any] | None) -> str:
    if statistics is None:
        return ""
    text = figure(name, statistics["mean"])
    if statistics["sd"] is not None:
        text += f" ± {figure(name, statistics['sd'])}"
    n, shipped = statistics["n"], statistics["shipped"]
    origin = ", shipped" if shipped == n else f", {shipped} shipped" if shipped else ""
    under = "" if statistics["protocol"] == "paper" else f", {statistics['protocol']}"
    return f"{text} (n={n}{origin}{under})"


def show_row(
    row: Annotated[
        str,
        typer.Argument(
            help="A row, a recipe file or a folder of images.", autocompletion=completion.rows
        ),
    ],
    overrides: Overrides = None,
    protocol: Protocol = "paper",
    json: Json = False,
) -> None:
    """The recipe in full, and the network layer by layer.

    Of each layer: its shape, parameters and multiply-adds.
    """
    import torch
    import yaml

    from wye.data.shape import input_shape
    from wye.network import build_network, describe
    from wye.recipe.overrides import parse_overrides
    from wye.runs.own import resolve_own

    recipe = resolve_own(row, parse_overrides(overrides or []), protocol)
    shape, classes = input_shape(recipe.data)
    with torch.device("meta"):
        network = build_network(recipe.network, shape, classes)
    described = describe(network)
    document = recipe.model_dump(mode="json")
    layers = [vars(layer) for layer in described.layers]
    if json:
        print_json(
            {
                "row": recipe.row,
                "recipe": document,
                "parameters": described.parameters(),
                "inputs": list(shape),
                "latent": network.latent_size,
                "multiply_adds": described.multiply_adds,
                "layers": layers,
            }
        )
        return
    tell(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=80))
    columns = [("part", "left"), ("layer", "left"), ("output", "right")]
    columns += [("parameters", "right"), ("multiply-adds", "right")]
    lines = [
        (
            layer.part if layer.index == 0 else "",
            layer.symbol,
            "x".join(map(str, layer.shape)),
            f"{layer.parameters:,}",
            f"{layer.multiply_adds:,}",
        )
        for layer in described.layers
    ]
    total = described.parameters()["total"]
    lines.append(("total", "", "", f"{total:,}", f"{described.multiply_adds:,}"))
    print_table(columns, lines, title=f"input {'x'.join(map(str, shape))}")
    ratio = network.latent_size / torch.Size(shape).numel()
    tell(f"latent: {network.latent_size:,} values, {ratio:.2f} of the input")

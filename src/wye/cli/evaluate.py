"""`wye evaluate`: a run measured again, on its test images or on others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from wye.cli.output import Format, Json, figure, print_json, print_table, say, shown_metrics, tell
from wye.cli.outputs import Moved, RunPath, Weights


def add_to(app: typer.Typer) -> None:
    """Enter this file's command."""
    app.command("evaluate")(evaluate)


def evaluate(
    run: RunPath,
    data: Annotated[
        list[str] | None,
        typer.Argument(help="Other images with a class: folder, table, arrays, data set, -."),
    ] = None,
    weights: Weights = None,
    moved: Moved = None,
    mistakes: Annotated[
        Path | None,
        typer.Option(help="Write the wrong images, worst first: a .csv or .jsonl file."),
    ] = None,
    corrupt: Annotated[
        list[str] | None,
        typer.Option(
            help='Measure corrupted images too: "noise(0.1)", or any transformation; repeatable.'
        ),
    ] = None,
    form: Format = "table",
    json: Json = False,
) -> None:
    """Measure a run's network on its test images, or others.

    Precision, recall and F1 of each class, the confusion matrix, and how far probabilities can be
    believed. Reconstructions of corrupted images are compared with the clean ones.
    """
    from wye.recipe.measured import caveat
    from wye.runs.evaluating import evaluate_run
    from wye.runs.model import Model
    from wye.runs.run import Run
    from wye.runs.written import TABLES, check_suffix, write_table

    if mistakes is not None:
        check_suffix(mistakes, TABLES)
    opened = Run(run)
    found = evaluate_run(opened, Model.of(opened, weights), data or [], moved, corrupt or [])
    figures = found.figures
    if mistakes is not None:
        write_table(mistakes, found.mistakes, ["path", "true", "predicted", "probability"])
        say("json" if json else form, f"{len(found.mistakes)} mistakes: {mistakes}")
    epoch = weights or opened.recipe.evaluation.selection
    if json or form == "json":
        named = {"data": found.name} if data else {}
        more = {"corrupted": found.corrupted} if corrupt else {}
        print_json({"row": opened.recipe.row, "weights": epoch, **named, "test": figures, **more})
        return
    flags = {name: caveat(opened.recipe, name) for name in shown_metrics(figures)}
    each = (figures, *found.corrupted.values())
    lines = [
        (f"{name} *" if flag else name, *(figure(name, of.get(name)) for of in each))
        for name, flag in flags.items()
    ]
    title = f"{opened.recipe.row} on {found.name}, {epoch} epoch"
    columns = [("test", "left"), ("measured", "right")]
    columns += [(f"under {line}", "right") for line in found.corrupted]
    print_table(columns, lines, title=title, form=form)
    for why in dict.fromkeys(filter(None, flags.values())):
        say(form, f"* {why}")
    if form == "table" and "per_class" in figures:
        _print_classes(figures)
        _print_calibration(figures["calibration"])


def _print_classes(figures: dict[str, Any]) -> None:
    """The classes, and of few of them the confusion matrix."""
    columns = [("class", "left"), ("precision", "right"), ("recall", "right")]
    columns += [("F1", "right"), ("images", "right")]
    print_table(
        columns,
        [
            (
                name,
                *(f"{100 * of[key]:.2f} %" for key in ("precision", "recall", "f1")),
                str(of["support"]),
            )
            for name, of in figures["per_class"].items()
        ],
    )
    names = list(figures["per_class"])
    if len(names) <= 12:
        columns = [("true \\ predicted", "left"), *((name, "right") for name in names)]
        rows = zip(names, figures["confusion"], strict=True)
        print_table(columns, [(name, *map(str, counts)) for name, counts in rows])


def _print_calibration(found: dict[str, float]) -> None:
    said = f"expected calibration error {100 * found['ece']:.2f} %"
    if "temperature" in found:
        said += (
            f"; {100 * found['ece_scaled']:.2f} % with the temperature {found['temperature']:.2f}"
            " that the validation part asks for"
        )
    tell(said)

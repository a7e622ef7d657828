"""`wye evaluate`, `wye reconstruct`, `wye predict` and `wye embed`: what a run's network does."""

from __future__ import annotations

import io
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from wye.cli.output import Format, Json, figure, print_json, print_table, say, shown_metrics

if TYPE_CHECKING:
    from wye.recipe.schema import Recipe
    from wye.runs.folder import Examples, RunFolder
    from wye.runs.model import Model
    from wye.runs.run import Run

RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")]
Weights = Annotated[
    Literal["last", "best"] | None,
    typer.Option(help="Weights of the last epoch or of the best; not given: of the measured one."),
]
Data = Annotated[
    Path | None,
    typer.Option("--data", help="Where the run's own images are now, if they were moved."),
]


def add_to(app: typer.Typer) -> None:
    """Enter this file's commands."""
    app.command("evaluate")(evaluate)
    app.command("reconstruct")(reconstruct)
    app.command("predict")(predict)
    app.command("embed")(embed)


def evaluate(
    run: RunPath,
    weights: Weights = None,
    data: Data = None,
    form: Format = "table",
    json: Json = False,
) -> None:
    """Measure a run's network again on its test images.

    Precision, recall and F1 of each class too.
    """
    from wye.recipe.measured import caveat
    from wye.runs.dependencies import Others, dependencies
    from wye.runs.model import Model
    from wye.runs.results import measured_part
    from wye.runs.run import Run
    from wye.runs.setup import set_up

    opened = Run(run)
    model = Model.of(opened, weights)
    alone = opened.recipe.model_copy(update={"transfer": None})
    judge = dependencies(alone, Others(_not_here, cut=True)).judge
    setup = set_up(opened.recipe, weighted=False, source=data, before=opened.inspection)
    setup.network.load_state_dict(model.network.state_dict())
    precision = str(opened.environment.get("precision", "fp32"))
    figures = measured_part(setup, setup.network, setup.data, "test", precision, judge).figures
    epoch = weights or opened.recipe.evaluation.selection
    if json or form == "json":
        print_json({"row": opened.recipe.row, "weights": epoch, "test": figures})
        return
    flags = {name: caveat(opened.recipe, name) for name in shown_metrics(figures)}
    lines = [
        (f"{name} *" if flag else name, figure(name, figures[name])) for name, flag in flags.items()
    ]
    title = f"{opened.recipe.row} on {setup.data.name}, {epoch} epoch"
    print_table([("test", "left"), ("measured", "right")], lines, title=title, form=form)
    for why in dict.fromkeys(filter(None, flags.values())):
        say(form, f"* {why}")
    if "per_class" in figures and form == "table":
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


def _not_here(recipe: Recipe, folder: RunFolder) -> Run:
    from wye.errors import UsageError

    raise UsageError(f"{folder.path} holds no finished run of {recipe.row}")


def reconstruct(
    run: RunPath,
    images: Annotated[
        list[Path] | None, typer.Argument(help="Image files; test images if none are given.")
    ] = None,
    out: Annotated[Path, typer.Option(help="The picture to write: .png, .svg or .pdf.")] = Path(
        "reconstructions.png"
    ),
    weights: Weights = None,
    data: Data = None,
) -> None:
    """Draw images, their reconstructions and the errors.

    Where a run's test images are corrupted: noisy input, reconstruction and the clean image. Image
    files are taken as they are.
    """
    from wye.plots.gallery import compared, gallery_figure
    from wye.plots.output import check_format, save
    from wye.plots.style import need_matplotlib
    from wye.runs.model import Model
    from wye.runs.run import Run

    check_format(out)
    need_matplotlib()
    opened = Run(run)
    model = Model.of(opened, weights)
    found = _of_files(model, images) if images else _of_test_images(opened, model, data)
    names = [path.name for path in images] if images else found.names
    rows = compared(found.originals, found.reconstructions, found.inputs)
    save(gallery_figure(rows, names), out)
    print(out)


def _of_files(model: Model, paths: list[Path]) -> Examples:
    import torch

    from wye.runs.examples import as_pixels
    from wye.runs.folder import Examples

    pixels = torch.cat([model.read(path) for path in paths])
    made = as_pixels(torch.from_numpy(model.reconstruct(pixels)))
    seen = model.view(pixels, torch.Generator().manual_seed(0))
    return Examples(seen if seen.dtype == torch.uint8 else as_pixels(seen), made)


def _of_test_images(run: Run, model: Model, data: Path | None) -> Examples:
    from wye.errors import UsageError
    from wye.runs.examples import examples
    from wye.runs.setup import set_up

    setup = set_up(run.recipe, weighted=False, source=data, before=run.inspection)
    setup.network.load_state_dict(model.network.state_dict())
    precision = str(run.environment.get("precision", "fp32"))
    found = examples(setup.network, setup.data, setup.streams, precision, setup.corrupt)
    if found is None:
        raise UsageError(f"{run.recipe.row} has no decoder")
    return found


def predict(
    run: RunPath,
    images: Annotated[list[Path], typer.Argument(help="Image files, or folders of them.")],
    weights: Weights = None,
    json: Json = False,
) -> None:
    """Name the class of images."""
    import torch

    from wye.runs.model import Model
    from wye.runs.run import Run

    model = Model.of(Run(run), weights)
    files = [file for path in images for file in _files(path)]
    probabilities = model.predict_proba(torch.cat([model.read(file) for file in files]))
    best = probabilities.argmax(1)
    if json:
        print_json(
            [
                {
                    "image": str(file),
                    "class": model.classes[index],
                    "probabilities": dict(zip(model.classes, row.tolist(), strict=True)),
                }
                for file, index, row in zip(files, best, probabilities, strict=True)
            ]
        )
        return
    columns = [("image", "left"), ("class", "left"), ("probability", "right")]
    lines = [
        (str(file), model.classes[index], f"{100 * row[index]:.1f} %")
        for file, index, row in zip(files, best, probabilities, strict=True)
    ]
    print_table(columns, lines)


def _files(path: Path) -> list[Path]:
    from wye.data.folder import is_image
    from wye.errors import UsageError

    if not path.exists():
        raise UsageError(f"there is no file or folder {path}")
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.rglob("*") if is_image(file))
    if not found:
        raise UsageError(f"the folder {path} holds no images")
    return found


def embed(
    run: RunPath,
    data: Annotated[str, typer.Argument(help="A data set by name, or a folder of images.")],
    out: Annotated[Path, typer.Option(help="The .npz file to write.")] = Path("embedding.npz"),
    weights: Weights = None,
) -> None:
    """Write the latent codes of a data set.

    The file holds the arrays `train` and `test` and their labels; `validation`, where there is one.
    """
    import numpy as np

    from wye.data.folder import Own
    from wye.data.prepare import prepare
    from wye.data.sources import load
    from wye.errors import UsageError
    from wye.files import write_atomically
    from wye.runs.model import Model
    from wye.runs.run import Run
    from wye.streams import Streams

    opened = Run(run)
    model = Model.of(opened, weights)
    whole: dict[str, Any] = {"name": data, "validation": 0.0, "per_class": None, "limit": {}}
    plain: dict[str, Any] = {"balance": "none", "copies": ()}
    settings = opened.recipe.data.model_copy(update={**whole, **plain})
    before = opened.inspection
    if before is not None and os.path.realpath(data) != before.root:
        before = None  # other images than the run's, all of them new to it
    loaded = load(
        data,
        image_size=settings.image_size or model.pixels[1],
        own=Own(fit=settings.fit, before=before),
    )
    if loaded.inspection is not None and loaded.classes != model.classes:
        logging.getLogger("wye").warning(
            "%s has the classes %s, the run %s; labels count those of %s",
            *(data, ", ".join(loaded.classes), ", ".join(model.classes), data),
        )
    prepared = prepare(loaded, settings, Streams(0))
    if (found := tuple(prepared.train.pixels.shape[1:])) != model.pixels:
        made, wanted = ("x".join(map(str, shape)) for shape in (found, model.pixels))
        raise UsageError(f"images of {data} are {made}; the network of {run} takes {wanted}")
    arrays: dict[str, Any] = {}
    parts = {"train": prepared.train, "validation": prepared.validation, "test": prepared.test}
    for name, part in parts.items():
        if part is None:
            continue
        arrays[name] = model.embed(part.pixels)
        arrays[f"{name}_labels"] = part.labels.numpy()
    out.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    write_atomically(out, buffer.getvalue())
    print(out)

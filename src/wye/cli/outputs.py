"""What a run makes of images: `wye predict`, `anomalies`, `embed`, `map` and `reconstruct`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from wye.cli import completion
from wye.cli.output import Json, print_json, print_table, tell

if TYPE_CHECKING:
    from wye.data.listing import Entry
    from wye.runs.model import Model
    from wye.runs.pictures import Examples
    from wye.runs.run import Run

RunPath = Annotated[
    Path,
    typer.Argument(metavar="RUN", help="A run folder.", autocompletion=completion.run_folders),
]
Data = Annotated[
    list[str],
    typer.Argument(
        metavar="DATA...",
        help="Image files, folders, patterns, tables, arrays, a data set, or - for a list.",
    ),
]
Weights = Annotated[
    Literal["last", "best"] | None,
    typer.Option(help="Weights of the last epoch or of the best; not given: of the measured one."),
]
Moved = Annotated[
    Path | None,
    typer.Option("--data", help="Where the run's own images are now, if they were moved."),
]
SHEET = 20
"""Images of a sheet of anomalies."""


def add_to(app: typer.Typer) -> None:
    """Enter this file's commands."""
    for command in (reconstruct, predict, anomalies, embed):
        app.command(command.__name__)(command)
    app.command("map")(draw_map)


def _opened(run: Path, weights: str | None, data: list[str]) -> tuple[Run, Model, list[Entry]]:
    """A run, its model, and the images that are named."""
    from wye.runs.given import given
    from wye.runs.model import Model
    from wye.runs.run import Run

    opened = Run(run)
    model = Model.of(opened, weights)
    return opened, model, given(data, model.classes)


def predict(
    run: RunPath,
    data: Data,
    out: Annotated[Path | None, typer.Option(help="A .csv or .jsonl file to write.")] = None,
    top: Annotated[int | None, typer.Option(min=1, help="The K most probable classes.")] = None,
    weights: Weights = None,
    json: Json = False,
) -> None:
    """Name the class of images.

    With its probability, and how unusual the image is: the fraction of the run's validation images
    that are reconstructed better.
    """
    from wye.progress import counted
    from wye.runs.predicting import predictions
    from wye.runs.written import TABLES, check_suffix, write_table

    if out is not None:
        check_suffix(out, TABLES)
    _, model, entries = _opened(run, weights, data)
    records = predictions(model, entries, top, counted)
    if out is not None:
        columns = ["path", "class", "probability", "anomaly"]
        columns += [
            f"{name}_{place}" for place in range(2, (top or 1) + 1) for name in columns[1:3]
        ]
        write_table(out, map(_ranked, records), columns)
        tell(out)
    elif json:
        print_json([{"image": record["path"], **record} for record in records])
    else:
        shown = [("image", "left"), ("class", "left"), ("probability", "right")]
        shown += [("anomaly", "right")] if (model.reference or {}).get("errors") else []
        lines = []
        for record in records:
            several = list(record["probabilities"].items())[: top or 0]
            named = several or [(record["class"], record["probability"])]
            cells = [record["path"], ", ".join(name for name, _ in named)]
            cells.append(", ".join(f"{100 * value:.1f} %" for _, value in named))
            lines.append([*cells, f"{record['anomaly'] or 0:.3f}"][: len(shown)])
        print_table(shown, lines)


def _ranked(record: dict[str, Any]) -> dict[str, Any]:
    """The same with the second and further classes as columns of a table."""
    further = list(record["probabilities"].items())
    columns = {f"class_{place}": name for place, (name, _) in enumerate(further, 1)}
    values = {f"probability_{place}": value for place, (_, value) in enumerate(further, 1)}
    return {**record, **columns, **values}


def anomalies(
    run: RunPath,
    data: Data,
    flag: Annotated[
        float, typer.Option(min=0, max=1, help="Flag images from this quantile on.")
    ] = 0.99,
    out: Annotated[Path | None, typer.Option(help="A .csv or .jsonl file to write.")] = None,
    sheet: Annotated[
        Path | None, typer.Option(help="A picture of the most unusual images to write.")
    ] = None,
    weights: Weights = None,
    json: Json = False,
) -> None:
    """Rank images by how badly they are reconstructed.

    An image is unusual where its error is larger than that of most validation images of the run.
    """
    from wye.plots.output import check_format
    from wye.plots.style import need_matplotlib
    from wye.progress import counted
    from wye.runs.predicting import anomalies as ranked
    from wye.runs.written import TABLES, check_suffix, write_table

    if out is not None:
        check_suffix(out, TABLES)
    if sheet is not None:
        check_format(sheet)
        need_matplotlib()
    opened, model, entries = _opened(run, weights, data)
    found = ranked(model, entries, counted)
    if sheet is not None:
        _draw(opened, model, [each.entry for each in found[:SHEET]], sheet)
    records = [
        {
            "path": each.entry.path,
            "error": each.error,
            "anomaly": each.quantile,
            "flagged": each.quantile is not None and each.quantile >= flag,
        }
        for each in found
    ]
    if out is not None:
        write_table(out, records, list(records[0]))
        tell(out)
    elif json:
        print_json(records)
    else:
        columns = [("image", "left"), ("error", "right"), ("anomaly", "right"), ("", "left")]
        lines = [
            (
                str(each["path"]),
                f"{each['error']:.5f}",
                "" if each["anomaly"] is None else f"{each['anomaly']:.3f}",
                "flagged" if each["flagged"] else "",
            )
            for each in records
        ]
        flagged = sum(bool(each["flagged"]) for each in records)
        title = f"{flagged} of {len(records)} images are at or above the quantile {flag:g}"
        print_table(columns, lines, title=title)


def embed(
    run: RunPath,
    data: Data,
    out: Annotated[Path, typer.Option(help="A .npz, .csv or .parquet file to write.")] = Path(
        "embedding.npz"
    ),
    weights: Weights = None,
) -> None:
    """Write the latent codes of images.

    With their paths, classes, predicted classes and parts.
    """
    from wye.progress import counted
    from wye.runs.predicting import codes_of
    from wye.runs.written import CODES, check_suffix, write_codes

    check_suffix(out, CODES)
    opened, model, entries = _opened(run, weights, data)
    write_codes(out, codes_of(opened, model, entries, watch=counted))
    tell(out)


def draw_map(
    run: RunPath,
    data: Data,
    out: Annotated[Path, typer.Option(help="The .html page or .png picture to write.")] = Path(
        "map.html"
    ),
    method: Annotated[
        Literal["pca", "umap"] | None,
        typer.Option(help="umap where it is installed, if not given."),
    ] = None,
    weights: Weights = None,
) -> None:
    """Draw images by their codes: near each other if alike.

    On the page an image is shown where the pointer is.
    """
    from wye.progress import counted
    from wye.report.map_page import draw
    from wye.runs.given import thinned
    from wye.runs.predicting import codes_of
    from wye.runs.written import check_suffix

    check_suffix(out, (".html", ".png"))
    opened, model, entries = _opened(run, weights, data)
    found = codes_of(opened, model, thinned(entries), pictures=True, watch=counted)
    draw(found, out, opened.recipe.row, method)
    tell(out)


def reconstruct(
    run: RunPath,
    data: Annotated[
        list[str] | None,
        typer.Argument(help="Images, as for predict; test images of the run if none are given."),
    ] = None,
    out: Annotated[Path, typer.Option(help="The picture to write: .png, .svg or .pdf.")] = Path(
        "reconstructions.png"
    ),
    weights: Weights = None,
    moved: Moved = None,
) -> None:
    """Draw images, their reconstructions and the errors.

    Where a run's test images are corrupted: noisy input, reconstruction and the clean image. Images
    that are given are taken as they are; of more than a hundred some are drawn.
    """
    from wye.plots.output import check_format
    from wye.plots.style import need_matplotlib
    from wye.runs.given import thinned
    from wye.runs.model import Model
    from wye.runs.run import Run

    check_format(out)
    need_matplotlib()
    if data:
        opened, model, entries = _opened(run, weights, data)
        _draw(opened, model, thinned(entries, 100), out)
    else:
        opened = Run(run)
        model = Model.of(opened, weights)
        found = _of_test_images(opened, model, moved)
        _save(found, [Path(name).name for name in opened.names_of(found)], out)
    tell(out)


def _draw(run: Run, model: Model, entries: list[Entry], out: Path) -> None:
    """A sheet of images, their reconstructions and the errors."""
    import torch

    from wye.data.inspection import Unreadable
    from wye.runs.examples import as_pixels
    from wye.runs.given import batches, say_faults
    from wye.runs.pictures import Examples

    faults: list[Unreadable] = []
    read = list(batches(entries, model, faults))
    say_faults(faults, entries)
    pixels = torch.cat([part for _, part in read])
    names = [Path(entry.path).name for some, _ in read for entry in some]
    made = as_pixels(torch.from_numpy(model.reconstruct(pixels)))
    seen = model.view(pixels, torch.Generator().manual_seed(0))
    originals = seen if seen.dtype == torch.uint8 else as_pixels(seen)
    _save(Examples(originals, made), names, out)


def _save(found: Examples, names: list[str], out: Path) -> None:
    from wye.plots.gallery import compared, gallery_figure
    from wye.plots.output import save

    rows = compared(found.originals, found.reconstructions, found.inputs)
    save(gallery_figure(rows, names), out)


def _of_test_images(run: Run, model: Model, data: Path | None) -> Examples:
    from wye.errors import UsageError
    from wye.runs.examples import examples
    from wye.runs.setup import set_up
    from wye.runs.trained import check_numbers

    for value in model.network.state_dict().values():
        check_numbers(value)
    setup = set_up(run.recipe, weighted=False, source=data, before=run.inspection)
    setup.network.load_state_dict(model.network.state_dict())
    precision = str(run.environment.get("precision", "fp32"))
    found = examples(setup.network, setup.data, setup.streams, precision, setup.corrupt)
    if found is None:
        raise UsageError(f"{run.recipe.row} has no decoder")
    return found

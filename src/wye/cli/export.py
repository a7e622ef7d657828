"""`wye export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from wye.cli.output import Json, print_json, tell
from wye.cli.outputs import RunPath, Weights


def add_to(app: typer.Typer) -> None:
    """Enter this file's command."""
    app.command("export")(export)


def export(
    run: RunPath,
    form: Annotated[
        Literal["onnx", "torch", "torchscript", "folder"],
        typer.Option(
            "--format", help="torch is torch.export's .pt2; folder has weights, recipe and a card."
        ),
    ] = "onnx",
    part: Annotated[
        Literal["classifier", "encoder", "decoder", "whole"],
        typer.Option(help="Pixels to probabilities, to codes, codes to images, or all of it."),
    ] = "classifier",
    quantize: Annotated[
        Literal["int8"] | None, typer.Option(help="Weights and activations of 8 bits (onnx).")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The file or folder.", show_default="RUN/PART.onnx")
    ] = None,
    weights: Weights = None,
    json: Json = False,
) -> None:
    """Write a run's network as one file for other programs.

    It takes uint8 pixels as the run's data.prepare leaves them, and is compared with PyTorch before
    it is kept. Or as a folder for other people, which `wye.Model.from_pretrained` reads.
    """
    import numpy as np

    from wye.errors import UsageError
    from wye.export.write import ENDINGS
    from wye.export.write import export as write
    from wye.runs.model import Model
    from wye.runs.run import Run
    from wye.runs.setup import set_up

    opened = Run(run)
    model = Model.of(opened, weights)
    if form == "folder":
        if quantize or part != "classifier":
            raise UsageError("--format folder holds the whole network: drop --part and --quantize")
        folder = out or opened.path / "model"
        model.save_pretrained(folder)
        print_json({"folder": str(folder)}) if json else tell(folder)
        return
    of_int8 = f"-{quantize}" if quantize else ""
    place = out or opened.path / f"{part}{of_int8}{ENDINGS[form]}"
    data = set_up(opened.recipe, weighted=False).data if quantize else None
    ranges = data.train.pixels[:200] if data is not None else None
    made = write(model, place, form, part, quantize, ranges)
    report: dict[str, Any] = {
        "file": str(place),
        "bytes": made.size,
        "largest_difference": made.difference,
        "pixels": list(model.pixels),
        "prepare": model.config["prepare"],
    }
    if data is not None and part == "classifier":
        labels = data.test.labels.numpy()
        found = [made.run(batch)[0].numpy().argmax(1) for batch in data.test.pixels.split(500)]
        report["accuracy"] = float((np.concatenate(found) == labels).mean())
        report["accuracy_before"] = model.score(data.test.pixels, labels)
    if json:
        print_json(report)
        return
    tell(f"{place}: {made.size / 1e6:.2f} MB, differs from PyTorch by {made.difference:.1e}")
    if report["prepare"] and part != "decoder":
        size = "x".join(map(str, model.pixels))
        tell(f"it takes {size} pixels as data.prepare leaves them: {report['prepare']}")
    if "accuracy" in report:
        tell(
            f"accuracy on the test images: {100 * report['accuracy']:.2f} %"
            f" (before: {100 * report['accuracy_before']:.2f} %)"
        )

"""Whether every row's network can be written as a file for other programs, and computes the same.

    python -m benchmarks.exports --out docs/exports.md
    python -m benchmarks.exports joint/v1 joint/resnet50 --form onnx

The networks have random weights, and statistics of batch normalisation of random images. Those
that differ in nothing but how they are trained are written once.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import torch

from benchmarks.result import shown
from wye.data.catalog import DATASETS
from wye.data.shape import input_shape
from wye.errors import WyeError, message_of
from wye.export import FORMATS, export
from wye.network.build import build_network
from wye.recipe import resolve
from wye.recipe.schema import NetworkSettings
from wye.runs.model import Model
from wye.runs.results import views_of
from wye.studies import row_names

FORMS = tuple(FORMATS)
TOLERANCE = 1e-4
"""Largest difference from PyTorch that counts as none."""


class Line(NamedTuple):
    """What became of a network.

    Attributes:
        rows: that have it.
        part: `whole`, or the `decoder` alone.
        difference: the largest one from PyTorch's outputs; None where no file was kept.
        problem: why not; else empty.
    """

    rows: tuple[str, ...]
    form: str
    part: str
    difference: float | None
    size: int
    problem: str = ""

    @property
    def good(self) -> bool:
        """Whether there is a file that computes the same."""
        return self.difference is not None and self.difference <= TOLERANCE


def config_of(row: str) -> dict[str, Any]:
    """The `config.json` that a run of a row would have, but for what its images decide."""
    recipe = resolve(row, {})
    shape, classes = input_shape(recipe.data)
    pixels, _ = input_shape(recipe.data.model_copy(update={"view": ""}))
    constants = {"mean": [0.4] * shape[0], "deviation": [0.3] * shape[0]}
    lines = recipe.network.model_dump()
    return {
        "row": row,
        "network": {name: lines[name] for name in ("encoder", "decoder", "classifier")},
        "outputs": recipe.network.outputs,
        "shape": shape,
        "pixels": pixels,
        "classes": [str(at) for at in range(classes)],
        "image_size": DATASETS[recipe.data.name].shape[-1],
        "norm_eps": recipe.network.norm_eps,
        "prepare": "",
        "view": recipe.data.view,
        "views": asdict(views_of(recipe)),
        "inputs": constants,
        "targets": constants,
    }


def distinct(rows: Iterable[str]) -> dict[str, list[str]]:
    """The rows by what is exported of them."""
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(json.dumps({**config_of(row), "row": ""}), []).append(row)
    return found


def untrained(row: str) -> Model:
    """The model of a row with random weights, also of layers that images would fill."""
    config = config_of(row)
    torch.manual_seed(0)
    settings = NetworkSettings(
        **config["network"], outputs=config["outputs"], norm_eps=config["norm_eps"]
    )
    network = build_network(settings, config["shape"], len(config["classes"]))
    with torch.no_grad():
        for value in network.state_dict().values():
            if value.ndim > 1 and not value.any():
                value += 0.05 * torch.randn_like(value)
        images = pictures(8, config["shape"]) / 128 - 1
        network.train()(images)
        if (classifier := network.classifier) is not None:  # or all images get the same logits
            last = [weight for weight in classifier.parameters() if weight.ndim > 1][-1]
            last.mul_(4 / network.eval().logits(images).abs().max())
    return Model(config, network.state_dict())


def pictures(count: int, shape: Sequence[int]) -> torch.Tensor:
    """Different images of a few soft blots, uint8 `(count, C, H, W)`."""
    blots = torch.randn(count, shape[0], 3, 3, generator=torch.Generator().manual_seed(0))
    soft = torch.nn.functional.interpolate(blots, tuple(shape[1:]), mode="bilinear")
    return (255 * (2 * soft).sigmoid()).to(torch.uint8)


def exported(rows: Sequence[str], forms: Sequence[str] = FORMS) -> Iterator[Line]:
    """Write the network of some rows, which all have it, in each form."""
    model = untrained(rows[0])
    images = pictures(3, model.pixels)
    parts = ["whole"] if model.network.decoder is None else ["whole", "decoder"]
    with tempfile.TemporaryDirectory() as folder:
        for form, part in product(forms, parts):
            difference, size, problem = None, 0, ""
            try:
                file = export(model, Path(folder) / "file", form, part, images=images)
                difference, size = file.difference, file.size
            except WyeError as error:
                problem = message_of(error)
            yield Line(tuple(rows), form, part, difference, size, problem)


def page(lines: Sequence[Line], seconds: float) -> str:
    """The page of what was found."""
    cells = [line for line in lines if not line.good]
    failed = "".join(
        f"| {_named(line.rows)} | {line.form}, {line.part} | {_why(line)} |\n" for line in cells
    )
    failures = f"| rows | file | why not |\n|---|---|---|\n{failed}" if failed else ""
    said = "Those that are not good:\n\n" if failed else "Every row's network can be exported.\n"
    counted = "".join(
        f"| `{form}` | {sum(line.good for line in some)} of {len(some)} |"
        f" {max((line.difference or 0 for line in some if line.good), default=0):.0e} |"
        f" {shown(max(line.size for line in some) / 1e6)} MB |\n"
        for form in FORMS
        if (some := [line for line in lines if line.form == form])
    )
    networks = len({line.rows for line in lines})
    rows = sum(len(rows) for rows in {line.rows for line in lines})
    return f"""# Exported networks

Written by `python -m benchmarks.exports --out docs/exports.md` in {shown(seconds / 60)} minutes of
a CPU, with torch {torch.__version__.partition("+")[0]}.

The {rows:,} rows have {networks} networks that differ in more than their training. Each was given
random weights, written by `wye export`'s own code (the whole network, and its decoder alone where
it has one), read back by the program that such files are for, and compared with PyTorch on three
images of random blots; a file is good if no value of any output differs by more than {TOLERANCE:g}.

| format | good files | largest difference of these | largest file |
|---|---:|---:|---:|
{counted}
{said}{failures}"""


def _named(rows: Sequence[str]) -> str:
    more = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
    return f"`{rows[0]}`{more}"


def _why(line: Line) -> str:
    return line.problem or f"it differs by {line.difference:.1e}"


def main() -> None:
    """Export the named rows, or all of them, and print or write what became of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", help="rows; all if none is given")
    parser.add_argument("--form", nargs="+", choices=FORMS, default=FORMS)
    parser.add_argument("--out", type=Path, help="the page to write")
    given = parser.parse_args()
    begun, lines = time.process_time(), []
    for rows in distinct(given.rows or row_names()).values():
        for line in exported(rows, given.form):
            lines.append(line)
            said = _why(line) if not line.good else f"differs by {line.difference:.0e}"
            print(f"{_named(rows)}: {line.form}, {line.part}: {said}", file=sys.stderr, flush=True)
    text = page(lines, time.process_time() - begun)
    if given.out:
        given.out.write_text(text)
    else:
        print(text)


if __name__ == "__main__":
    main()

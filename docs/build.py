"""Write the generated parts of the documentation: `make docs`.

- `docs/notation.md`: every symbol of networks and of image transformations, from their registries.
- `docs/recipes.md`: every setting of a recipe, from the models that check them.
- `docs/rows.md`: every row, from the study files.
- the result table in `README.md` and `docs/images/reconstructions.png`, from the run that
  `make run` leaves in `runs/make-run`, where there is one.

`python docs/build.py --check` only says whether these three pages are current.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from recipe_page import recipes

from wye.cli.output import figure, shown_metrics
from wye.data.transforms import TRANSFORMS
from wye.network.symbols import SYMBOLS
from wye.notation import Alphabet
from wye.recipe import recipe_from_row
from wye.runs import Run
from wye.studies import studies

ROOT = Path(__file__).parent.parent
RUN = ROOT / "runs" / "make-run"


def table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown."""
    lines = [list(headings), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def alphabet(symbols: Alphabet[Any]) -> str:
    """A table of symbols: how each is written, with its defaults, and what it is."""
    rows = [(f"`{symbol.usage}`", symbol.summary) for symbol in symbols.symbols.values()]
    return table(("symbol and its defaults", "what it does"), rows)


def notation() -> str:
    """The page of the notation."""
    return f"""# The notation

A network is three lines of text, and so is a chain of image transformations: symbols joined by
`>`, each with values in parentheses, first those without a name, then `name=value`.

    C'(32) > C(32, k=5, bn=before) > L(512)

A mistake is answered with the line, a caret and what was expected. `wye show ROW` prints the layers
of a row with their shapes, parameters and multiply-adds.

This page is written by `make docs` from the registered symbols.

## Networks

A prime leaves out the symbol's last step: `C` is convolution, activation and pooling, `C'` has no
pooling; `L` is linear with an activation, `L'` is linear. `L` flattens an image by itself.
`decoder: mirror` derives the decoder from the encoder: linear layers are mirrored, a convolution
that shrinks the image by f becomes a transposed convolution of kernel and stride f, and the last
layer has no activation. `decoder: none` leaves it out. In a classifier, the word `classes` stands
for the number of classes.

{alphabet(SYMBOLS)}

Activations (`act=`): none, relu, leaky, elu, gelu, silu, tanh, sigmoid, clamp. Batch normalisation
(`bn=`): no, before or after the activation. Pooling (`pool=`): max or avg.

## Image transformations

For `data.prepare` (every image, once), `data.augment` (training batches, input and target alike)
and `data.corrupt` (the input alone).

{alphabet(TRANSFORMS)}
"""


def rows() -> str:
    """The page of rows."""
    parts = [
        "# Rows",
        "This page is written by `make docs` from the study files in `src/wye/studies`.",
    ]
    for name, study in studies().items():
        parts.append(f"## {name}: {study.title}")
        if study.source:
            parts.append(f"{study.source.id}, `{study.source.where}`. {study.about}")
        else:
            parts.append(study.about)
        parts += [f"- {note}" for note in study.notes]
        entries = []
        for row in study.rows:
            recipe = recipe_from_row(f"{name}/{row}")
            published = ", ".join(
                f"{metric} {figure(metric, value)}" for metric, value in recipe.published.items()
            )
            entries.append(
                (
                    f"`{recipe.row}`",
                    recipe.source or "",
                    f"`{recipe.network.encoder}`",
                    f"`{recipe.network.classifier}`",
                    f"{recipe.loss.beta:g}",
                    published,
                )
            )
        parts.append(
            table(("row", "source", "encoder", "classifier", "beta", "published"), entries)
        )
    return "\n\n".join(parts) + "\n"


def results() -> str:
    """The result table of `make run`."""
    run = Run(RUN)
    assert run.result is not None
    test, place = run.result["test"], run.environment
    lines = [(f"`{name}`", figure(name, test[name])) for name in shown_metrics(test)]
    seconds, rate = run.result["seconds"]["train"], run.result["images_per_second"]
    return f"""{table(("test", f"`{run.recipe.row}`, seed {run.recipe.seed}"), lines)}

Trained in {seconds:.0f} s at {rate:,.0f} images/s, {run.result["precision"]}, on {place["threads"]}
threads of {place["device_name"]}; wye {place["wye"]}, torch {place["torch"]},
Python {place["python"]}. Written by `make run` and `make docs`."""


def replace_block(path: Path, name: str, content: str) -> None:
    """Put `content` between the markers of block `name` in a file."""
    begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
    text = path.read_text()
    head, rest = text.split(begin)
    _, tail = rest.split(end)
    path.write_text(f"{head}{begin}{content}\n{end}{tail}")


def main() -> None:
    """Write the pages, or check them."""
    pages = {
        ROOT / "docs" / "notation.md": notation(),
        ROOT / "docs" / "recipes.md": recipes(table),
        ROOT / "docs" / "rows.md": rows(),
    }
    if "--check" in sys.argv:
        stale = [
            str(path)
            for path, text in pages.items()
            if not path.exists() or path.read_text() != text
        ]
        sys.exit(f"not current, run `make docs`: {', '.join(stale)}" if stale else 0)
    for path, text in pages.items():
        path.write_text(text)
        print(path.relative_to(ROOT))
    if (RUN / "result.json").exists():
        from wye.cli.outputs import reconstruct

        replace_block(ROOT / "README.md", "results", results())
        reconstruct(RUN, out=ROOT / "docs" / "images" / "reconstructions.png")
    else:
        print("runs/make-run holds no run: README.md is left as it is")


if __name__ == "__main__":
    main()

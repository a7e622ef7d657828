"""`wye data`: what data sets there are, whether they are here and sound, and how they look."""

from __future__ import annotations

import io
import time
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from wye.cli import completion
from wye.cli.output import Json, print_json, print_table
from wye.errors import MachineError, UsageError, WyeError

app = typer.Typer(no_args_is_help=True, help="Data sets: list, fetch, check and show them.")

Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="NAME", show_default=False, autocompletion=completion.datasets),
]


class Split(StrEnum):
    """The part of a data set to show."""

    train = "train"
    test = "test"


@app.command("list")
def list_(json: Json = False) -> None:
    """List the data sets known by name, and which of them are here."""
    from wye.data.catalog import DATASETS
    from wye.data.sources import inspect

    found = [inspect(name, thorough=False) for name in DATASETS]
    if json:
        print_json(
            [
                {
                    "name": state.source.name,
                    "about": state.source.about,
                    "shape": state.source.shape,
                    "classes": state.source.classes,
                    "train": state.source.sizes[0],
                    "test": state.source.sizes[1],
                    "state": state.state,
                    "detail": state.detail,
                    "path": _text(state.path),
                    "content": state.source.content,
                }
                for state in found
            ]
        )
        return
    here = {"good": "yes", "absent": "no"}
    print_table(
        _columns("name", "about", "image", "classes:", "train:", "test:", "here"),
        [
            (
                state.source.name,
                state.source.about,
                "x".join(str(length) for length in state.source.shape),
                str(len(state.source.classes)),
                *(f"{size:,}" for size in state.source.sizes),
                here.get(state.state, state.state),
            )
            for state in found
        ],
    )


@app.command()
def fetch(
    names: Names = None,
    origin: Annotated[
        Path | None,
        typer.Option("--from", metavar="PATH", help="Take them from this file or folder."),
    ] = None,
    force: Annotated[bool, typer.Option(help="Fetch what is already here, too.")] = False,
    json: Json = False,
) -> None:
    """Fetch data sets into the cache, all or those that are named."""
    from wye.data.catalog import DATASETS
    from wye.data.sources import fetch as fetch_one
    from wye.data.sources import inspect

    chosen = names or list(DATASETS)
    for name in chosen:
        DATASETS.find(name)  # a misspelt name is told before anything is fetched
    rows: list[dict[str, Any]] = []
    failures: list[WyeError] = []
    for name in chosen:
        start = time.perf_counter()
        try:
            fetched = fetch_one(name, origin=origin, force=force)
        except (MachineError, UsageError) as error:
            # One unreachable data set does not keep the others away.
            failures.append(error)
            rows.append({"name": name, "state": "failed", "error": str(error)})
            continue
        rows.append(
            {
                "name": name,
                "state": "good",
                "way": fetched.way,
                "seconds": round(time.perf_counter() - start, 3),
                "path": _text(inspect(name, thorough=False).path),
            }
        )
    if json:
        print_json(rows)
    else:
        print_table(
            _columns("name", "obtained from", "seconds:"),
            [(row["name"], row.get("way", "failed"), f"{row.get('seconds', '')}") for row in rows],
        )
    if failures:
        message = "\n".join(str(failure) for failure in failures)
        raise (UsageError if isinstance(failures[0], UsageError) else MachineError)(message)


@app.command()
def check(names: Names = None, json: Json = False) -> None:
    """Check every pixel of the cached data sets.

    Of all of them, or of those that are named.
    """
    from wye.data.catalog import DATASETS
    from wye.data.sources import inspect

    rows: list[dict[str, Any]] = []
    for name in names or list(DATASETS):
        start = time.perf_counter()
        found = inspect(name, thorough=True)
        rows.append(
            {
                "name": name,
                "state": found.state,
                "detail": found.detail,
                "seconds": round(time.perf_counter() - start, 3),
                "path": _text(found.path),
                "content": found.source.content,
            }
        )
    if json:
        print_json(rows)
    else:
        print_table(
            _columns("name", "state", "detail", "seconds:"),
            [(row["name"], row["state"], row["detail"], f"{row['seconds']:.2f}") for row in rows],
        )
    bad = [row["name"] for row in rows if row["state"] == "damaged"]
    missing = [row["name"] for row in rows if row["state"] == "absent" and names]
    if bad:
        raise MachineError(f"damaged: {', '.join(bad)}; mend with: wye data fetch {' '.join(bad)}")
    if missing:
        raise MachineError(
            f"not here: {', '.join(missing)}; get with: wye data fetch {' '.join(missing)}"
        )


@app.command()
def show(
    name: Annotated[
        str, typer.Argument(help="A data set, or own images: a folder, a table, an array file.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="The PNG page of images to write.",
            show_default="data-NAME.png; of own images none",
        ),
    ] = None,
    per_class: Annotated[int, typer.Option(min=1, help="Images of each class.")] = 10,
    split: Annotated[Split, typer.Option(help="The part to show.")] = Split.train,
    seed: Annotated[int, typer.Option(help="Of the parts that are drawn of own images.")] = 0,
    json: Json = False,
) -> None:
    """Draw a page of images; of own images, say what was found.

    A row for each class. Prints where the page is; of own images it is drawn where --out says.
    """
    from wye.data.catalog import DATASETS
    from wye.data.folder import is_own

    if name not in DATASETS and is_own(name):
        _say_found(name, seed, json)
        if out is None:
            return
    elif json:
        raise UsageError("--json is for own images; wye data list --json has the named data sets")
    from wye.data.sheet import sheet
    from wye.data.sources import load
    from wye.files import write_atomically

    data = load(name)
    path = out or Path(f"data-{data.name}.png")
    most = max(len(data.train), len(data.test))
    picture = io.BytesIO()
    sheet(data, split.value, min(per_class, most)).save(picture, format="PNG")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, picture.getvalue())
    if not json:
        typer.echo(path)


def _say_found(name: str, seed: int, json: bool) -> None:
    """What own images are, as `wye train` with the same seed takes them."""
    from wye.data.defaults import defaults
    from wye.data.folder import Own, glance_at, inspect_own, seed_from
    from wye.data.folder_names import TRAIN
    from wye.streams import Streams

    own = Own(seed=seed_from(Streams(seed).generator("split", "test")), validation=0.0)
    glance = glance_at(name, own)
    if glance.of(TRAIN):
        settings, _ = defaults(glance)
        own = replace(own, validation=settings["data"]["validation"])
    found = inspect_own(name, own)
    if json:
        print_json(found.document())
        return
    for line in found.lines():
        typer.echo(line)


def _text(path: Path | None) -> str | None:
    return str(path) if path else None


def _columns(*headings: str) -> list[tuple[str, str]]:
    """Columns of a table; a colon at the end of a heading sets numbers to the right."""
    return [
        (heading.removesuffix(":"), "right" if heading.endswith(":") else "left")
        for heading in headings
    ]

"""`wye bench`."""

from __future__ import annotations

from typing import Annotated

import typer

from wye.cli import completion
from wye.cli.output import Json, print_json, print_table, tell
from wye.cli.training import Device


def add_to(app: typer.Typer) -> None:
    """Enter this file's command."""
    app.command("bench")(bench)


def bench(
    rows: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ROW",
            help="Rows, recipe files or folders to time; three unlike rows if none is given.",
            autocompletion=completion.rows,
        ),
    ] = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """What this machine reaches, and how long rows take on it.

    A minute's answer, on generated images: nothing is fetched.
    """
    import os
    import time

    from wye import bench
    from wye.apart import in_own_process
    from wye.machine import cores
    from wye.progress import clock
    from wye.recipe import resolve
    from wye.training.ranks import choose_device

    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    where = str(choose_device(device))
    names = rows or list(bench.ROWS)
    for row in names:
        resolve(row)  # a mistake in the last one is said before the first is timed
    paces = [
        in_own_process(bench.pace, row=row, device=where, started=time.time()) for row in names
    ]
    # A CPU that is slow at bf16 may need minutes for a single product in it.
    used = {"fp32", *(each.precision for each in paces)}
    peaks = [
        in_own_process(bench.peak, precision=each, device=where)
        for each in sorted(used, reverse=True)
    ]
    if json:
        document = {"peak": [vars(each) for each in peaks], "rows": [vars(each) for each in paces]}
        print_json({"device": where, "cores": cores(), "load": load, **document})
        return
    print_table(
        [("precision", "left"), ("matrix products", "right"), ("convolutions", "right")],
        [
            (each.precision, f"{each.products:,.0f} GFLOP/s", f"{each.convolutions:,.0f} GFLOP/s")
            for each in peaks
        ],
        title=f"peak of {where}",
    )
    figures = ("steps/s", "images/s", "memory", "start", "training")
    print_table(
        [("row", "left"), ("precision", "left"), *((name, "right") for name in figures)],
        [
            (
                each.row,
                each.precision,
                f"{each.steps_per_second:.1f}",
                f"{each.images_per_second:,.0f}",
                f"{each.memory_mb:,.0f} MB",
                f"{each.start_seconds:.1f} s",
                f"about {clock(each.seconds)}",
            )
            for each in paces
        ],
        title="rows; all of the training, without data, validation and evaluation",
    )
    if load is not None and load > cores() / 2:
        tell(
            f"Other work kept {load:.1f} of {cores()} cores busy as this began; without it all of"
            " this is quicker."
        )

"""`wye bench`."""

from __future__ import annotations

from typing import Annotated

import typer

from wye.cli.output import Json, print_json, print_table
from wye.cli.training import Device


def add_to(app: typer.Typer) -> None:
    """Enter this file's command."""
    app.command("bench")(bench)


def bench(
    rows: Annotated[
        list[str] | None,
        typer.Argument(metavar="ROW", help="Rows to time; three unlike ones if none is given."),
    ] = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """What this machine reaches, and how long rows take on it.

    A minute's answer, on generated images.
    """
    from wye.bench import ROWS, pace, peak
    from wye.cli.progress import clock
    from wye.training.ranks import choose_device

    where = choose_device(device)
    paces = [pace(row, where) for row in rows or ROWS]
    precisions = ["fp32", *(["bf16"] if any(each.precision == "bf16" for each in paces) else [])]
    peaks = [peak(where, precision) for precision in precisions]
    if json:
        document = {"peak": [vars(each) for each in peaks], "rows": [vars(each) for each in paces]}
        print_json({"device": str(where), **document})
        return
    print_table(
        [("precision", "left"), ("matrix products", "right"), ("convolutions", "right")],
        [
            (each.precision, f"{each.products:,.0f} GFLOP/s", f"{each.convolutions:,.0f} GFLOP/s")
            for each in peaks
        ],
        title=f"peak of {where}",
    )
    columns = [("row", "left"), ("precision", "left"), ("batch", "right"), ("step", "right")]
    print_table(
        [*columns, ("images/s", "right"), ("all of it", "right")],
        [
            (
                each.row,
                each.precision,
                str(each.batch_size),
                f"{1000 * each.step_seconds:.1f} ms",
                f"{each.images_per_second:,.0f}",
                "" if each.seconds is None else f"about {clock(each.seconds)}",
            )
            for each in paces
        ],
        title="training, without data and evaluation; other work on the machine makes it slower",
    )

"""The verbs of the command line, and how failures are told.

Heavy imports happen inside the commands: `wye --help` must answer at once.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import Annotated

import typer

import wye
from wye._version import __version__
from wye.cli import (
    bench,
    claims,
    compare,
    data,
    find_lr,
    outputs,
    plot,
    reporting,
    results,
    rows,
    study,
    training,
)
from wye.errors import ElsewhereError, UsageError, WyeError, message_of
from wye.machine import here

app = typer.Typer(
    name="wye",
    help=wye.__doc__,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    # The frames and colours of rich would take as long to import as all of the command line.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
rows.add_to(app)
training.add_to(app)
study.add_to(app)
find_lr.add_to(app)
outputs.add_to(app)
plot.add_to(app)
compare.add_to(app)
claims.add_to(app)
reporting.add_to(app)
bench.add_to(app)
app.add_typer(results.app, name="results", help="The table of results: list, add.")
app.add_typer(data.app, name="data", help="Data sets: list, fetch, check, show.")


def _version(asked: bool) -> None:
    if asked:
        print(__version__)
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of a failure; works anywhere.")
    ] = False,
) -> None:
    """Wye trains image models with one encoder, a decoder and a classifier."""
    if here().ranks > 1 and context.invoked_subcommand != "train":
        raise UsageError(
            f"torchrun is for wye train; start wye {context.invoked_subcommand} without it"
        )


def main() -> None:
    """Run the command line; ends the process with its exit status.

    0: done. 1: the machine refused, or training went wrong. 2: the request is mistaken.
    """
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("wye").setLevel(logging.INFO if here().is_main else logging.ERROR)
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    try:
        app(args=arguments, prog_name="wye")
    except BrokenPipeError:
        # Whoever read our output has left (`wye list | head`); that is no failure.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except (WyeError, OSError, MemoryError) as error:
        if debug:
            raise
        # One process of each machine tells of a mistake that all see.
        same = isinstance(error, UsageError) and here().local_rank > 0
        if not same and not isinstance(error, ElsewhereError):
            print(f"wye: {message_of(error)}", file=sys.stderr)
        sys.exit(error.exit_status if isinstance(error, WyeError) else 1)

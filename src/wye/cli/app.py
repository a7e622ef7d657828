"""The verbs of the command line, and how failures are told.

Heavy imports happen inside the commands: `wye --help` must answer at once.
"""

from __future__ import annotations

import io
import logging
import os
import signal
import sys
import threading
import time
from typing import Annotated

import typer

import wye
from wye._version import __version__
from wye.cli import (
    bench,
    claims,
    compare,
    completion,
    data,
    demo,
    evaluate,
    export,
    find_lr,
    gain,
    outputs,
    plot,
    reporting,
    results,
    rows,
    study,
    training,
    tune,
)
from wye.cli.output import tell
from wye.errors import ElsewhereError, MachineError, UsageError, WyeError, message_of
from wye.machine import here, wait_passively
from wye.wording import bounded

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
tune.add_to(app)
evaluate.add_to(app)
outputs.add_to(app)
export.add_to(app)
demo.add_to(app)
plot.add_to(app)
compare.add_to(app)
gain.add_to(app)
claims.add_to(app)
reporting.add_to(app)
bench.add_to(app)
app.add_typer(results.app, name="results", help="The table of results: list, add.")
app.add_typer(data.app, name="data", help="Data sets: list, fetch, check, show.")


def _version(asked: bool) -> None:
    if asked:
        import torch

        from wye.training.ranks import choose_device, device_name

        device = choose_device("auto")
        tell(f"wye {__version__}, torch {torch.__version__}, {device} ({device_name(device)})")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Print versions and the device."
        ),
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


class _Plain(logging.Formatter):
    """Messages in which what somebody else named cannot steer the terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """The message, control characters escaped."""
        return bounded(super().format(record))


def main() -> None:
    """Run the command line; ends the process with its exit status.

    0: done, or whoever read the output has left. 1: the machine refused, or training went wrong.
    2: the request is mistaken. 130: interrupted; 143 and 129 by SIGTERM and SIGHUP.
    """
    wait_passively()
    completion.join_words()
    _prepare_streams()
    try:
        _check_surroundings()
    except WyeError as error:
        tell(f"wye: {bounded(str(error))}", file=sys.stderr)
        sys.exit(error.exit_status)
    interruption = _Interruption()
    interruption.answer()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Plain("%(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("wye").setLevel(logging.INFO if here().is_main else logging.ERROR)
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    out = sys.stdout
    try:
        try:
            app(args=arguments, prog_name="wye")
        except SystemExit as end:
            raise SystemExit(interruption.status if end.code == 130 else end.code) from None
        finally:
            if sys.stdout is out:
                out.flush()
            else:  # typer has put another there, because the pipe is closed (`wye list | head`)
                raise BrokenPipeError
    except BrokenPipeError:
        # Whoever read our output has left; that is no failure. What is still held goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())
        sys.exit(0)
    except (WyeError, OSError, MemoryError, ImportError) as error:
        if debug:
            raise
        # One process of each machine tells of a mistake that all see.
        same = isinstance(error, UsageError) and here().local_rank > 0
        if not same and not isinstance(error, ElsewhereError):
            tell(f"wye: {bounded(message_of(error))}", file=sys.stderr)
        sys.exit(error.exit_status if isinstance(error, WyeError) else 1)


def _check_surroundings() -> None:
    """See that the process has a place: among others of its run, and in a folder.

    Raises:
        UsageError: the variables of torchrun contradict each other.
        MachineError: the current folder is gone, which libraries that look for it do not survive.
    """
    here()
    try:
        os.getcwd()
    except OSError:
        raise MachineError("the current folder is gone; change to one that is there") from None


def _prepare_streams() -> None:
    """Make standard output and error take whatever is printed."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by who started us (`>&-`)
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 (for as long as we live)
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name that the locale cannot say


class _Interruption:
    """The first Ctrl-C ends the command in order; the next ones, while it does so, are let pass.

    SIGTERM (a cluster's queue, `docker stop`) and SIGHUP (the terminal is closed) do the same.
    """

    def __init__(self) -> None:
        self.first: float | None = None
        self.number: int = signal.SIGINT

    @property
    def status(self) -> int:
        """As shells count the ends by a signal."""
        return 128 + self.number

    def answer(self) -> None:
        """Answer the signals that the one who started us has not chosen to ignore (`nohup`)."""
        if threading.current_thread() is not threading.main_thread():
            return
        numbers = [signal.SIGINT]
        if here().ranks == 1:  # else torchrun ends ranks that wait for one that is gone
            numbers += [signal.SIGTERM, signal.SIGHUP]
        for number in numbers:
            if signal.getsignal(number) in (signal.default_int_handler, signal.SIG_DFL):
                signal.signal(number, self)

    def __call__(self, number: int, frame: object) -> None:
        if self.first is None:
            self.first, self.number = time.monotonic(), number
            raise KeyboardInterrupt
        if time.monotonic() - self.first > PATIENCE:
            os._exit(self.status)


PATIENCE = 3.0
"""Seconds after which another interruption ends a command that is still ending in order."""

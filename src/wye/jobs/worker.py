"""A worker process, from both of its ends: the one that starts it, and the one that computes.

No library's pool: with `concurrent.futures.ProcessPoolExecutor` and with loky one killed worker
breaks the pool, which ends the runs of all workers and hides whose fault it was, and workers
outlive a starter that was killed. Dask's `LocalCluster` survives both, but its tasks are threads,
which nothing can interrupt: Ctrl-C cuts a run off in the middle of a step and leaves its lock file.
`multiprocessing` cannot start a process in a Dask worker, because those of a nanny are daemonic.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TextIO

import torch
from pydantic import TypeAdapter

import wye
from wye.errors import WyeError, message_of
from wye.recipe.schema import Recipe
from wye.runs.holding import HeldError
from wye.runs.launch import Launch, RunObserver
from wye.training.records import EpochRecord, RunningMeans

GRACE = 15.0
"""Seconds that a worker has to put its run down."""
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
VERB = "study-worker"
"""The hidden verb of the command line that calls `serve`."""

Message = dict[str, Any]
"""What a worker sends, as JSON: its `event` and what belongs to it.

- `epoch`: `epoch` of `epochs` is done and kept.
- `warning`: `text` for the reader.
- `done`: the run is finished.
- `held`: another process has the run, says `message`.
- `failed`: for the reason in `message`.
- `died`: the process ended in the middle, `how`; sent in its stead by a task of a cluster.
"""
Inbox = SimpleQueue[tuple["WorkerProcess", Message | None]]
"""What workers send; None when one has ended."""


LAUNCH = TypeAdapter(Launch)
"""A launch as JSON; its observer is the worker's own and doesn't travel."""


class WorkerProcess:
    """A process that does one run at a time, and ends when its starter does.

    The two are joined by pipes, a line of JSON each message. A worker whose input closes, because
    its starter ended in whatever way, puts its run down and ends.

    Args:
        inbox: takes what the worker sends, and None at its end, from a thread of its own.
        threads: that it computes with, set before its libraries are loaded.
        folder: its working folder; that of its starter if not given.
    """

    def __init__(self, inbox: Inbox, threads: int, folder: Path | None = None) -> None:
        source = str(Path(wye.__file__).parents[1])
        paths = [source, *filter(None, [os.environ.get("PYTHONPATH")])]
        self._process = subprocess.Popen(
            # -P: a file in the working folder mustn't take a module's place.
            [sys.executable, "-P", "-m", "wye", VERB],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=folder,
            env={
                **os.environ,
                **dict.fromkeys(THREADS, str(threads)),
                "PYTHONPATH": os.pathsep.join(paths),
            },
            text=True,
            encoding="utf-8",
        )
        threading.Thread(target=self._listen, args=(inbox,), daemon=True).start()

    def start(self, launch: Launch) -> None:
        """Give the worker a run; it must have none."""
        assert self._process.stdin is not None
        with suppress(OSError):  # it has died, which the inbox has as None
            self._process.stdin.write(LAUNCH.dump_json(launch).decode() + "\n")
            self._process.stdin.flush()

    def how_it_ended(self) -> str:
        """For people: `killed by SIGSEGV`, `ended with status 1`."""
        code = self._process.wait()
        if code == -signal.SIGKILL:
            return "killed, as the system does where memory runs out"
        if code >= 0:
            return f"ended with status {code}"
        with suppress(ValueError):
            return f"killed by {signal.Signals(-code).name}"
        return f"killed by signal {-code}"

    def ask_to_end(self) -> None:
        """Let the worker put its run down, so that it can be resumed, and end."""
        self._process.terminate()

    def wait(self, seconds: float = GRACE) -> None:
        """Wait until the worker has ended, for so many seconds; then kill it."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _listen(self, inbox: Inbox) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            inbox.put((self, json.loads(line)))
        inbox.put((self, None))


def serve(run: Callable[[Launch], Any]) -> None:
    """Do runs until the input closes; then, or on SIGTERM, put down what is under way.

    Whatever else writes to standard output ends in standard error.
    """

    def interrupt(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the starter's to answer
    signal.signal(signal.SIGTERM, interrupt)
    channel = _Channel(os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8"))
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    logging.root.handlers[:] = [channel]
    logging.captureWarnings(True)
    lines: SimpleQueue[str] = SimpleQueue()
    threading.Thread(target=_listen, args=(lines,), daemon=True).start()
    try:
        while True:
            _work(LAUNCH.validate_json(lines.get()), run, channel)
    except (KeyboardInterrupt, BrokenPipeError):
        # The interpreter's own end could wait for threads of libraries.
        sys.stderr.flush()
        os._exit(0)


class _Channel(logging.Handler):
    """Sends messages to the starter; as a handler of log records, the warnings among them."""

    def __init__(self, file: TextIO) -> None:
        super().__init__(logging.WARNING)
        self._file = file

    def send(self, event: str, **details: Any) -> None:
        """Send one message.

        Raises:
            BrokenPipeError: the starter is gone.
        """
        self._file.write(json.dumps({"event": event, **details}) + "\n")
        self._file.flush()

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`."""
        self.send("warning", text=record.getMessage())


class _EpochSender(RunObserver):
    """Sends the epochs of a run."""

    def __init__(self, recipe: Recipe, launch: Launch, channel: _Channel) -> None:
        self._epochs = sum(phase.train.epochs for phase in recipe.resolved_phases())
        # A dependency is planned as a run of its own; where it is trained within this one after
        # all, its epochs are not the run's.
        self._own = recipe.row == launch.recipe.row
        self._channel = channel

    def step(self, epoch: int, step: int, steps: int, means: RunningMeans) -> None:
        """See `wye.training.records.Observer`."""

    def epoch(self, record: EpochRecord) -> None:
        """See `wye.runs.launch.RunObserver`."""
        if self._own:
            self._channel.send("epoch", epoch=record.epoch, epochs=self._epochs)


def _work(launch: Launch, run: Callable[[Launch], Any], channel: _Channel) -> None:
    """Do a run and send how it ended."""
    try:
        run(replace(launch, observe=lambda of: nullcontext(_EpochSender(of, launch, channel))))
    except BrokenPipeError:
        raise
    except HeldError as error:
        channel.send("held", message=str(error))
    except (WyeError, OSError, MemoryError) as error:
        channel.send("failed", message=message_of(error))
    except Exception as error:
        traceback.print_exc()
        channel.send("failed", message=message_of(error))
    else:
        channel.send("done")
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _listen(lines: SimpleQueue[str]) -> None:
    """Hand on lines of the input; at its end, end this process too."""
    for line in sys.stdin:
        lines.put(line)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os._exit(1)

"""Inside a worker process: takes jobs from its input, tells on its output how they go."""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from queue import SimpleQueue
from types import FrameType
from typing import Any, TextIO

import torch

from wye.errors import WyeError, told
from wye.recipe.schema import Recipe
from wye.runs.carry_out import HeldError, Observe, RunObserver
from wye.series.job import Job
from wye.series.process import GRACE
from wye.training.records import EpochRecord
from wye.training.tally import Tally

CarryOutJob = Callable[[Job, Observe], Any]
"""Carries out a job, telling the observer of its epochs."""


def serve(carry_out: CarryOutJob) -> None:
    """Carry out jobs until the input closes; then, or on SIGTERM, put down what is under way.

    Whatever else writes to standard output ends in standard error.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the starter's to answer
    signal.signal(signal.SIGTERM, _interrupt)
    output = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    channel = Channel(output)
    _only_warnings_to(channel)
    jobs: SimpleQueue[str] = SimpleQueue()
    threading.Thread(target=_listen, args=(jobs,), daemon=True).start()
    try:
        while True:
            _work(Job.of(json.loads(jobs.get())), carry_out, channel)
    except (KeyboardInterrupt, BrokenPipeError):
        # The interpreter's own end could wait for threads of libraries.
        sys.stderr.flush()
        os._exit(0)


class Channel(logging.Handler):
    """Writes messages for the starter; as a handler of log records, the warnings among them."""

    def __init__(self, file: TextIO) -> None:
        super().__init__(logging.WARNING)
        self._file = file

    def tell(self, event: str, **details: Any) -> None:
        """Send one message.

        Raises:
            BrokenPipeError: the starter is gone.
        """
        self._file.write(json.dumps({"event": event, **details}) + "\n")
        self._file.flush()

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`."""
        self.tell("warning", text=record.getMessage())


def _work(job: Job, carry_out: CarryOutJob, channel: Channel) -> None:
    """Carry out a job and tell how it ended."""
    try:
        carry_out(job, lambda recipe: contextlib.nullcontext(_Telling(recipe, job, channel)))
    except BrokenPipeError:
        raise
    except HeldError as error:
        channel.tell("held", message=str(error))
    except (WyeError, OSError, MemoryError) as error:
        channel.tell("failed", message=told(error))
    except Exception as error:
        traceback.print_exc()
        channel.tell("failed", message=told(error))
    else:
        channel.tell("done")
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


class _Telling(RunObserver):
    """Tells of the epochs of a job."""

    def __init__(self, recipe: Recipe, job: Job, channel: Channel) -> None:
        self._epochs = sum(phase.train.epochs for phase in recipe.resolved_phases())
        # What the job needs is planned as a job of its own; where it is trained within this one
        # after all, its epochs are not the job's.
        self._own = recipe.row == job.recipe.row
        self._channel = channel

    def step(self, epoch: int, step: int, steps: int, tally: Tally) -> None:
        """See `wye.training.records.Observer`."""

    def epoch(self, record: EpochRecord) -> None:
        """See `wye.runs.carry_out.RunObserver`."""
        if self._own:
            self._channel.tell("epoch", epoch=record.epoch, epochs=self._epochs)


def _interrupt(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def _only_warnings_to(channel: Channel) -> None:
    for handler in list(logging.root.handlers):
        logging.root.removeHandler(handler)
    logging.root.addHandler(channel)
    logging.captureWarnings(True)


def _listen(jobs: SimpleQueue[str]) -> None:
    """Hand on lines of the input; at its end, end this process too."""
    for line in sys.stdin:
        jobs.put(line)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os._exit(1)

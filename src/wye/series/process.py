"""A worker process, seen from the one that started it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from queue import SimpleQueue

import wye
from wye.series.job import Job, Message

GRACE = 15.0
"""Seconds that a worker has to put its run down."""
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
VERB = "study-worker"
"""The hidden verb of the command line that ends in `wye.series.serve`."""

Inbox = SimpleQueue[tuple["WorkerProcess", Message | None]]
"""What workers tell; None when one has ended."""


class WorkerProcess:
    """A process that carries out one run at a time, and ends when its starter does.

    The two are joined by pipes, a line of JSON each message. A worker whose input closes, because
    its starter ended in whatever way, puts its run down and ends.

    Args:
        inbox: takes what the worker tells, and None at its end, from a thread of its own.
        threads: that it computes with.
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

    def give(self, job: Job) -> None:
        """Let the worker carry out a run; it must have none."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(job.document()) + "\n")
            self._process.stdin.flush()
        except OSError:
            pass  # it has died, which the inbox is told

    def how_it_ended(self) -> str:
        """For people: `killed by SIGSEGV`, `ended with status 1`."""
        code = self._process.wait()
        if code == -signal.SIGKILL:
            return "killed, as the system does where memory runs out"
        if code < 0:
            try:
                return f"killed by {signal.Signals(-code).name}"
            except ValueError:
                return f"killed by signal {-code}"
        return f"ended with status {code}"

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

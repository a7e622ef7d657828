"""One run as a task of a Dask worker: in a process beside it, its files sent where need be.

A task and the study that submitted it speak through two queues on the scheduler, because the
scheduler is what both can reach for certain. The study decides: a task that is run again, after its
worker died, asks anew for the state of the run. No file that a run writes is ever unpickled from
another machine; they travel as bytes.
"""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from distributed import Queue, get_client, get_worker
from distributed.core import Status

from wye._version import __version__
from wye.jobs.bundle import Bundle, unpack
from wye.jobs.worker import LAUNCH, Inbox, WorkerProcess
from wye.machine import cores
from wye.runs.folder import RunFolder
from wye.runs.launch import Launch

ANSWER = 120.0
"""Seconds in which the study must answer; it is gone else."""
LOOK = 0.5
"""Seconds between looks at whether the run is still wanted."""


@dataclass(frozen=True)
class Order:
    """What a task gets.

    Attributes:
        number: of the run in its study.
        launch: a `Launch` as JSON; its `out` is relative to `root`.
        root: the study's folder of runs, absolute.
        shared: whether to work in `root` where it is the study's own.
        working_folder: the study's, from which the names of data may be understood.
        inbox: the queue that the study listens to.
    """

    number: int
    launch: dict[str, Any]
    root: str
    shared: bool
    working_folder: str
    inbox: str


def run_order(order: Order) -> None:
    """Do a run and send the study how it goes.

    Where the study's folder of runs is not seen here, the run is done in a folder of the worker's
    own: it begins with what the study has of it, and after each epoch the study gets what is new.
    """
    worker = get_worker()
    attempt = uuid.uuid4().hex
    inbox = Queue(order.inbox, client=get_client())
    answers = Queue(f"{order.inbox}-{attempt}", client=get_client())

    def send(event: str, **details: Any) -> None:
        message = {"event": event, "number": order.number, "attempt": attempt, **details}
        inbox.put(message, timeout=ANSWER)

    try:
        with _marked(order, attempt):
            send("begin", worker=worker.address, version=__version__)
            answer = answers.get(timeout=ANSWER)
        if not answer["go"]:
            return
        shared = answer["shared"]
        with _root(order, shared, worker) as root:
            launch = LAUNCH.validate_python(order.launch)
            if launch.track and not shared:
                send("warning", text="not tracked: its worker does not see the folder of runs")
                launch = replace(launch, track=())
            folder = root / str(launch.out)
            for relative, files in answer["files"].items():
                unpack(RunFolder(root / relative), files)
            bundle = None if shared else Bundle(RunFolder(folder))
            _supervise(replace(launch, out=folder, root=root), order, bundle, send)
    finally:
        answers.close()
        inbox.close()


@contextmanager
def _marked(order: Order, attempt: str) -> Iterator[None]:
    """A file in the folder of runs, if it is here; the study sees it there if that is its own."""
    mark = Path(order.root) / mark_of(attempt)
    with suppress(OSError):
        if order.shared:
            mark.touch()
    try:
        yield
    finally:
        with suppress(OSError):
            mark.unlink(missing_ok=True)


def mark_of(attempt: str) -> str:
    """Name of the file by which a study knows that a worker sees its folder."""
    return f".wye-{attempt}"


def _supervise(launch: Launch, order: Order, bundle: Bundle | None, send: Any) -> None:
    """Do a run in a process, and hand on what it sends with the files that are new."""
    worker = get_worker()
    key = worker.get_current_task()
    messages: Inbox = SimpleQueue()
    home = Path(order.working_folder)
    threads = max(1, cores() // worker.state.nthreads)
    process = WorkerProcess(messages, threads, home if bundle is None and home.is_dir() else None)
    if bundle is not None:
        bundle.mark()
    process.start(launch)
    try:
        while True:
            try:
                _, message = messages.get(timeout=LOOK)
            except Empty:
                if _wanted(worker, key):
                    continue
                return
            if message is None:
                send("died", how=process.how_it_ended())
                return
            event = message.pop("event")
            if event == "epoch" and not messages.empty():
                continue  # the one behind it brings what is new of both
            files = bundle.changed() if bundle is not None and event in ("epoch", "done") else {}
            send(event, **message, files=files)
            if event not in ("epoch", "warning"):
                return
    finally:
        process.ask_to_end()
        process.wait()


def _wanted(worker: Any, key: Any) -> bool:
    """Whether the study still waits for a task; not so if it, or this worker, is ending."""
    task = worker.state.tasks.get(key)
    return (
        worker.status in (Status.init, Status.running, Status.paused)
        and task is not None
        and task.state != "cancelled"
    )


@contextmanager
def _root(order: Order, shared: bool, worker: Any) -> Iterator[Path]:
    """The folder of runs to work in: the study's, or one that is gone afterwards."""
    if shared:
        yield Path(order.root)
        return
    # In the worker's folder, because Dask clears that up should the worker be killed.
    own = tempfile.mkdtemp(prefix="wye-", dir=worker.local_directory)
    try:
        yield Path(own)
    finally:
        shutil.rmtree(own, ignore_errors=True)

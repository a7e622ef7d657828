"""Runs side by side in processes of this machine."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from queue import Empty, SimpleQueue

from wye.machine import cores
from wye.series.board import Board
from wye.series.job import Job, Message
from wye.series.plan import PlannedRun
from wye.series.process import THREADS, Inbox, WorkerProcess
from wye.series.side_by_side import cuda_devices

TICK = 1.0


def run_here(board: Board, workers: int, job_of: Callable[[PlannedRun], Job]) -> None:
    """Carry out a board's runs in `workers` processes, until every run has come to its end.

    The cores are shared out among the workers, unless OMP_NUM_THREADS says how many threads each
    has. On a processor the order of additions, and with it the last bits of a result, can depend on
    the number of threads; `environment.json` records it. Several CUDA devices are given to the
    workers in turn.

    A worker that dies is replaced and its run resumed from its last whole epoch. However this
    process ends, its workers end too; what they were at is resumed by calling this again.
    """
    inbox: Inbox = SimpleQueue()
    places: list[WorkerProcess | None] = [None] * workers
    busy: dict[WorkerProcess, PlannedRun] = {}
    devices = cuda_devices()
    asked = os.environ.get(THREADS[0], "")
    threads = int(asked) if asked.isdecimal() else max(1, cores() // workers)
    board.at_once = workers
    try:
        while not board.over:
            for index, worker in enumerate(places):
                if worker in busy or (run := board.next()) is None:
                    continue
                worker = worker or WorkerProcess(inbox, threads)
                places[index] = worker
                busy[worker] = run
                job = job_of(run)
                if job.device in ("auto", "cuda") and devices > 1:
                    job = replace(job, device=f"cuda:{index % devices}")
                worker.give(job)
                board.begun(run)
            try:
                worker, message = inbox.get(timeout=TICK)
            except Empty:
                board.watch.changed(board)
                continue
            if message is None:
                places[places.index(worker)] = None
                if worker in busy:
                    board.died(busy.pop(worker), worker.how_it_ended())
            elif worker in busy and take(message, busy[worker], board):
                del busy[worker]
    finally:
        end([worker for worker in places if worker is not None])


def take(message: Message, run: PlannedRun, board: Board) -> bool:
    """Enter on the board what a worker tells of its run; returns whether it is rid of it."""
    match message["event"]:
        case "epoch":
            board.epoch(run, message["epoch"] / message["epochs"])
            return False
        case "warning":
            board.watch.warned(board.entries[run.folder], message["text"])
            return False
        case "done":
            board.done(run)
        case "held":
            board.held(run)
        case "failed":
            board.failed(run, message["message"])
    return True


def end(workers: list[WorkerProcess]) -> None:
    """End workers, all at once; what they were at can be resumed."""
    for worker in workers:
        worker.ask_to_end()
    for worker in workers:
        worker.wait()

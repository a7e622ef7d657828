"""Runs in processes of this machine: how many, and what each does next."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from queue import Empty, SimpleQueue

import torch

from wye.data.shape import input_shape
from wye.errors import WyeError
from wye.jobs.board import Board
from wye.jobs.plan import PlannedRun
from wye.jobs.worker import THREADS, Inbox, WorkerProcess
from wye.machine import cores
from wye.network.build import build_network
from wye.network.describe import describe
from wye.recipe.schema import Recipe
from wye.runs.launch import Launch

TICK = 1.0
"""Seconds between looks at the board while no worker sends anything."""
MOST = 8
"""Runs beside each other on one GPU."""
FILLED = 50e9
"""Multiply-adds of a step that keep a GPU busy by themselves: what it does in the two or three
milliseconds that it takes to launch the kernels of a step. An estimate."""


def run_locally(board: Board, workers: int, launch_of: Callable[[PlannedRun], Launch]) -> None:
    """Do a board's runs in `workers` processes, until every run has come to its end.

    The cores are divided among the workers, unless OMP_NUM_THREADS says how many threads each
    has. On a CPU the order of additions, and with it the last bits of a result, can depend on the
    number of threads; `environment.json` records it. Several CUDA devices are given to the workers
    in turn.

    A worker that dies is replaced and its run resumed from its last whole epoch. However this
    process ends, its workers end too; their runs are resumed by calling this again.

    Args:
        board: the runs.
        workers: how many processes.
        launch_of: how a run is launched.
    """
    inbox: Inbox = SimpleQueue()
    slots: list[WorkerProcess | None] = [None] * workers
    busy: dict[WorkerProcess, PlannedRun] = {}
    ending: list[WorkerProcess] = []
    devices = cuda_devices()
    wanted = os.environ.get(THREADS[0], "")
    threads = int(wanted) if wanted.isdecimal() else max(1, cores() // workers)
    board.at_once = workers
    try:
        while not board.over:
            for slot, worker in enumerate(slots):
                if worker in busy or (run := board.next()) is None:
                    continue
                worker = slots[slot] = worker or WorkerProcess(inbox, threads)
                busy[worker] = run
                launch = launch_of(run)
                if launch.device in ("auto", "cuda") and devices > 1:
                    launch = replace(launch, device=f"cuda:{slot % devices}")
                worker.start(launch)
                board.begun(run)
            try:
                worker, message = inbox.get(timeout=TICK)
            except Empty:
                board.observer.changed(board)
                continue
            if message is None:
                if worker in ending:
                    continue
                slots[slots.index(worker)] = None
                if worker in busy:
                    board.died(busy.pop(worker), worker.how_it_ended())
            elif worker in busy and board.apply(busy[worker], message):
                del busy[worker]
                if message["event"] == "epoch":  # the run is no longer wanted
                    slots[slots.index(worker)] = None
                    ending.append(worker)
                    worker.ask_to_end()
    finally:
        started = [*ending, *(worker for worker in slots if worker is not None)]
        for worker in started:  # all at once, then wait
            worker.ask_to_end()
        for worker in started:
            worker.wait()


def workers_for(recipes: Iterable[Recipe], device: str) -> int:
    """Processes for these runs: one on a CPU; several on a GPU that one doesn't fill.

    Small networks leave a GPU waiting for their next kernel most of the time, and processes beside
    each other fill the gaps. Each gives the very weights that it would give alone.

    Args:
        recipes: of the runs that are left to do.
        device: as the user named it, `auto` for instance.
    """
    gpus = cuda_devices() if device in ("auto", "cuda") else int(device.startswith("cuda:"))
    wanted = list(recipes)
    if not gpus or not wanted:
        return 1
    different = {(repr(recipe.network), repr(recipe.data)): recipe for recipe in wanted}
    largest = max(map(_work_of_a_step, different.values()))
    beside = max(1, min(MOST, int(FILLED / largest))) if largest else 1
    return min(beside * gpus, len(wanted), max(gpus, cores()))


def cuda_devices() -> int:
    """The CUDA GPUs of this machine."""
    return torch.cuda.device_count()


def multiply_adds(recipe: Recipe) -> float:
    """Multiply-adds of a network on one image, forward; infinitely many where not known."""
    try:
        shape, classes = input_shape(recipe.data)
        with torch.device("meta"):
            return float(describe(build_network(recipe.network, shape, classes)).multiply_adds)
    except WyeError:
        return float("inf")  # the run itself says what is wrong


def _work_of_a_step(recipe: Recipe) -> float:
    """Multiply-adds of a step, forward and backward."""
    images = max(
        phase.train.batch_size + phase.train.unlabelled for phase in recipe.resolved_phases()
    )
    return 3.0 * multiply_adds(recipe) * images

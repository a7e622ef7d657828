"""Runs as tasks of a Dask cluster that is there already: the study's end, see `jobs.task`."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wye._version import __version__
from wye.errors import MachineError, UsageError, message_of
from wye.jobs.board import Board, Status
from wye.jobs.bundle import READ_BY_DEPENDENTS, Files, pack, unpack
from wye.jobs.plan import PlannedRun
from wye.jobs.worker import LAUNCH
from wye.runs.folder import RunFolder
from wye.runs.holding import HeldError, claimed
from wye.runs.launch import Launch

if TYPE_CHECKING:
    from distributed import Client, Queue

PAUSE = 0.2
"""Seconds between looks at the queue."""
CONNECT_TIMEOUT = 10.0
"""Seconds in which a scheduler must answer."""


def run_on_cluster(
    board: Board,
    address: str,
    root: Path,
    launch_of: Callable[[PlannedRun], Launch],
    shared: bool = True,
) -> None:
    """Do a board's runs as tasks of a Dask cluster, until every run has come to its end.

    A worker that sees `root` works in it; one that doesn't gets what it needs and sends what it
    makes after each epoch, so both kinds may be mixed. Each task computes in a process of its own,
    with its part of the worker's cores. The task of a worker that died is run again by the
    scheduler (so often as its `allowed-failures` says), and goes on after the last epoch kept.

    Args:
        board: the runs.
        address: of the scheduler.
        root: the folder of runs here.
        launch_of: how a run is launched.
        shared: let workers that see `root` work in it; if not, all send their files.

    Raises:
        UsageError: Dask is not installed.
        MachineError: no scheduler answers there, or it went away.
    """
    try:
        from distributed import Client
        from distributed.comm.core import CommClosedError
    except ImportError:
        raise UsageError(
            "--cluster needs the package distributed: pip install 'wye[cluster]', here and on"
            " every worker"
        ) from None
    try:
        client = Client(address, timeout=CONNECT_TIMEOUT, set_as_default=False)
    except (OSError, ValueError) as error:
        reason = message_of(error)
        raise MachineError(f"no Dask scheduler answers at {address} ({reason})") from None
    root.mkdir(parents=True, exist_ok=True)
    try:
        with client, _Study(board, client, root, launch_of, shared) as study:
            study.run()
    except CommClosedError as error:
        raise MachineError(
            f"the scheduler at {address} went away ({message_of(error)}); what is done is kept,"
            " and the same command goes on"
        ) from None


@dataclass
class _Submitted:
    """A run that was given to the scheduler.

    Attributes:
        run: the run.
        future: Dask's.
        attempt: names the task that has the run now; empty until one asked to begin.
        claim: holds the run's folder while a worker that doesn't see it has the run.
    """

    run: PlannedRun
    future: Any
    attempt: str = ""
    claim: ExitStack = field(default_factory=ExitStack)
    claimed: bool = False

    def unclaim(self) -> None:
        """Leave the run's folder to others."""
        self.claim.close()
        self.claimed = False


class _Study:
    def __init__(
        self,
        board: Board,
        client: Client,
        root: Path,
        launch_of: Callable[[PlannedRun], Launch],
        shared: bool,
    ) -> None:
        from distributed import Queue

        self.board, self.client, self.root, self.launch_of = board, client, root, launch_of
        self.shared = shared
        self.numbers: dict[Path, int] = {}
        self.submitted: dict[int, _Submitted] = {}
        self.answers: dict[int, Queue] = {}
        self.inbox = Queue(f"wye-{secrets.token_hex(8)}", client=client)

    def __enter__(self) -> _Study:
        return self

    def __exit__(self, *_: object) -> None:
        for task in self.submitted.values():
            task.unclaim()
        if self.client.status == "running":
            self.client.cancel([task.future for task in self.submitted.values()])
            for queue in (self.inbox, *self.answers.values()):
                _empty(queue)

    def run(self) -> None:
        """Submit runs and read messages, until every run has come to its end."""
        while not self.board.over:
            self.board.at_once = max(1, sum(self.client.nthreads().values()))
            while (run := self.board.next()) is not None:
                self._submit(run)
            messages = self.inbox.get(batch=True)
            for message in messages:
                self._receive(message)
            self._look_at_futures()
            if not messages:
                self.board.observer.changed(self.board)
                time.sleep(PAUSE)

    def _open(self, task: _Submitted) -> bool:
        """Whether a worker has the run, or will have it."""
        status = self.board.entries[task.run.folder].status
        return status in (Status.ASSIGNED, Status.RUNNING)

    def _submit(self, run: PlannedRun) -> None:
        from wye.jobs.task import Order, run_order

        number = self.numbers.setdefault(run.folder, len(self.numbers))
        launch = replace(self.launch_of(run), out=run.folder.relative_to(self.root))
        order = Order(
            number=number,
            launch=LAUNCH.dump_python(launch, mode="json"),
            root=str(self.root.resolve()),
            shared=self.shared,
            working_folder=str(Path.cwd()),
            inbox=self.inbox.name,
        )
        key = f"{run.recipe.row}-{run.recipe.seed}-{secrets.token_hex(8)}"
        future = self.client.submit(run_order, order, key=key, pure=False, priority=-number)
        self.submitted[number] = _Submitted(run, future)

    def _receive(self, message: dict[str, Any]) -> None:
        task = self.submitted.get(message["number"])
        if message["event"] == "begin":
            self._begin(task, message)
        elif task is not None and self._open(task) and task.attempt == message["attempt"]:
            # What comes from a worker that was thought dead, and whose run another has, is dropped.
            if files := message.get("files"):
                unpack(RunFolder(task.run.folder), files)
            if self.board.apply(task.run, message):
                task.unclaim()
                self._hang_up(message["number"])

    def _begin(self, task: _Submitted | None, message: dict[str, Any]) -> None:
        """Answer a worker that is about to begin a run."""
        from distributed import Queue

        from wye.jobs.task import mark_of

        self._hang_up(message["number"])
        answers = self.answers[message["number"]] = Queue(
            f"{self.inbox.name}-{message['attempt']}", client=self.client
        )
        shared = (self.root / mark_of(message["attempt"])).exists()
        files = None
        if task is not None and self._open(task):
            files = self._files_to_begin_with(task, message, shared)
        if task is None or files is None:
            answers.put({"go": False})
            return
        task.attempt = message["attempt"]
        self.board.begun(task.run)
        answers.put({"go": True, "shared": shared, "files": files})

    def _files_to_begin_with(
        self, task: _Submitted, message: dict[str, Any], shared: bool
    ) -> dict[str, Files] | None:
        """The files for a worker, by folder under the root; None if it may not begin."""
        run = task.run
        if message["version"] != __version__:
            self.board.failed(
                run,
                f"the worker {message['worker']} has wye {message['version']},"
                f" not {__version__} as here",
            )
            return None
        if not task.claimed and self.board.finished(run):
            return None
        if shared:
            task.unclaim()  # the worker claims it itself
            return {}
        if not task.claimed:
            try:
                task.claim.enter_context(claimed(RunFolder(run.folder)))
            except HeldError:
                self.board.held(run)
                return None
            task.claimed = True
        needed = {path: pack(RunFolder(path), READ_BY_DEPENDENTS) for path in run.dependencies}
        together = {run.folder: pack(RunFolder(run.folder)), **needed}
        return {
            str(folder.relative_to(self.root)): files for folder, files in together.items() if files
        }

    def _look_at_futures(self) -> None:
        """Find tasks that ended without a word, and forget those whose runs no worker has."""
        for number, task in list(self.submitted.items()):
            if self._open(task) and task.future.status in ("error", "cancelled", "lost"):
                self._hang_up(number)
                error = task.future.exception() if task.future.status == "error" else None
                if error is None:
                    self.board.died(task.run, "the scheduler dropped it")
                else:
                    self.board.failed(task.run, _reason(error))
            if not self._open(task):
                task.unclaim()
                del self.submitted[number]

    def _hang_up(self, number: int) -> None:
        if (answers := self.answers.pop(number, None)) is not None:
            _empty(answers)


def _empty(queue: Queue) -> None:
    """Close a queue; what a worker that died has not fetched would stay with the scheduler."""
    queue.get(batch=True)
    queue.close()


def _reason(error: BaseException) -> str:
    from distributed import KilledWorker

    if isinstance(error, KilledWorker):
        return f"its workers died; the last one was {error.last_worker.address}"
    return f"on the cluster: {message_of(error)}"

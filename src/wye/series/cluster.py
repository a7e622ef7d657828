"""Runs side by side on a Dask cluster that is there already."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import wye
from wye.errors import MachineError, UsageError, told
from wye.runs.carry_out import HeldError, claimed
from wye.runs.folder import RunFolder
from wye.series.board import Board, Status
from wye.series.bundle import BUILT_ON, Files, pack, unpack
from wye.series.job import Job
from wye.series.local import take
from wye.series.plan import PlannedRun

if TYPE_CHECKING:
    from distributed import Client, Queue

PAUSE = 0.2
"""Seconds between looks at the queue."""
REACH = 10.0
"""Seconds in which a scheduler must answer."""


def run_on_cluster(
    board: Board,
    address: str,
    root: Path,
    job_of: Callable[[PlannedRun], Job],
    shared: bool = True,
) -> None:
    """Carry out a board's runs as tasks of a Dask cluster, until every run has come to its end.

    A worker that sees `root` works in it; one that doesn't gets what it needs and sends what it
    makes after each epoch, so both kinds may be mixed. Each task computes in a process of its own,
    with its share of the worker's cores. The task of a worker that died is run again by the
    scheduler (so often as its `allowed-failures` says), and goes on after the last epoch kept.

    Args:
        board: the runs.
        address: of the scheduler.
        root: the folder of runs here.
        job_of: what to tell a worker of a run.
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
        client = Client(address, timeout=REACH, set_as_default=False)
    except (OSError, ValueError) as error:
        raise MachineError(f"no Dask scheduler answers at {address} ({told(error)})") from None
    root.mkdir(parents=True, exist_ok=True)
    try:
        with client, _Study(board, client, root, job_of, shared) as study:
            study.run()
    except CommClosedError as error:
        raise MachineError(
            f"the scheduler at {address} went away ({told(error)}); what is done is kept, and the"
            " same command goes on"
        ) from None


class _Study:
    """The study's end of what `wye.series.task` begins."""

    def __init__(
        self,
        board: Board,
        client: Client,
        root: Path,
        job_of: Callable[[PlannedRun], Job],
        shared: bool,
    ) -> None:
        from distributed import Queue

        self.board, self.client, self.root, self.job_of = board, client, root, job_of
        self.shared = shared
        self.numbers = list(board.entries)
        self.futures: dict[int, Any] = {}
        self.attempts: dict[int, str] = {}
        self.claims: dict[int, ExitStack] = {}
        self.answers: dict[int, Queue] = {}
        self.inbox = Queue(f"wye-{secrets.token_hex(8)}", client=client)

    def __enter__(self) -> _Study:
        return self

    def __exit__(self, *_: object) -> None:
        for claim in self.claims.values():
            claim.close()
        if self.client.status == "running":
            self.client.cancel(list(self.futures.values()))
            for queue in (self.inbox, *self.answers.values()):
                _empty(queue)

    def run(self) -> None:
        """Submit runs and listen, until every run has come to its end."""
        while not self.board.over:
            while (run := self.board.next()) is not None:
                self._submit(run)
            self.board.at_once = max(1, sum(self.client.nthreads().values()))
            messages = self.inbox.get(batch=True)
            for message in messages:
                self._take(message)
            self._look_at_futures()
            if not messages:
                self.board.watch.changed(self.board)
                time.sleep(PAUSE)

    def _run(self, number: int) -> PlannedRun:
        return self.board.entries[self.numbers[number]].run

    def _open(self, number: int) -> bool:
        """Whether a run is a worker's at the moment."""
        return self.board.entries[self.numbers[number]].status in (Status.TAKEN, Status.RUNNING)

    def _submit(self, run: PlannedRun) -> None:
        from wye.series.task import Order, carry_out_order

        number = self.numbers.index(run.folder)
        job = self.job_of(run)
        job = replace(job, folder=run.folder.relative_to(self.root))
        order = Order(
            number=number,
            job=job.document(),
            root=str(self.root.resolve()),
            shared=self.shared,
            working_folder=str(Path.cwd()),
            inbox=self.inbox.name,
        )
        self.futures[number] = self.client.submit(
            carry_out_order,
            order,
            key=f"{run.recipe.row}-{run.recipe.seed}-{secrets.token_hex(8)}",
            pure=False,
            priority=-number,
        )

    def _take(self, message: dict[str, Any]) -> None:
        number, event = message["number"], message["event"]
        if event == "begin":
            self._begin(number, message)
        elif self._open(number) and self.attempts.get(number) == message["attempt"]:
            # What a worker tells that was thought dead, and whose run is another's now, is dropped.
            run = self._run(number)
            if files := message.get("files"):
                unpack(RunFolder(run.folder), files)
            if event == "died":
                self.board.died(run, message["how"])
            else:
                take(message, run, self.board)
            if not self._open(number):
                self._let_go(number)

    def _begin(self, number: int, message: dict[str, Any]) -> None:
        """Answer a worker that is about to carry out a run."""
        from distributed import Queue

        from wye.series.task import mark_of

        if number in self.answers:
            _empty(self.answers[number])
        answers = Queue(f"{self.inbox.name}-{message['attempt']}", client=self.client)
        self.answers[number] = answers
        run = self._run(number)
        shared = (self.root / mark_of(message["attempt"])).exists()
        files = self._let_begin(number, message, shared) if self._open(number) else None
        if files is None:
            answers.put({"go": False})
            return
        self.attempts[number] = message["attempt"]
        self.board.begun(run)
        answers.put({"go": True, "shared": shared, "files": files})

    def _let_begin(
        self, number: int, message: dict[str, Any], shared: bool
    ) -> dict[str, Files] | None:
        """The files that a worker begins with, by folder under the root; None if it may not."""
        run = self._run(number)
        if message["version"] != wye.__version__:
            self.board.failed(
                run,
                f"the worker {message['worker']} has wye {message['version']},"
                f" not {wye.__version__} as here",
            )
            return None
        if number not in self.claims and self.board.finished(run):
            return None
        if shared:
            self._unclaim(number)  # the worker claims it itself
            return {}
        if number not in self.claims:
            claim = ExitStack()
            try:
                claim.enter_context(claimed(RunFolder(run.folder)))
            except HeldError:
                self.board.held(run)
                return None
            self.claims[number] = claim
        needed = {folder: pack(RunFolder(folder), BUILT_ON) for folder in run.needs}
        together = {run.folder: pack(RunFolder(run.folder)), **needed}
        return {
            str(folder.relative_to(self.root)): files for folder, files in together.items() if files
        }

    def _look_at_futures(self) -> None:
        """Find tasks that ended without a word."""
        for number, future in list(self.futures.items()):
            if not self._open(number):
                del self.futures[number]
            elif future.status in ("error", "cancelled", "lost"):
                del self.futures[number]
                run = self._run(number)
                error = future.exception() if future.status == "error" else None
                self._let_go(number)
                if error is None:
                    self.board.died(run, "the scheduler dropped it")
                else:
                    self.board.failed(run, _reason(error))

    def _let_go(self, number: int) -> None:
        self._unclaim(number)
        if (answers := self.answers.pop(number, None)) is not None:
            _empty(answers)

    def _unclaim(self, number: int) -> None:
        if (claim := self.claims.pop(number, None)) is not None:
            claim.close()


def _empty(queue: Queue) -> None:
    """Close a queue; what a worker that died has not fetched would stay with the scheduler."""
    queue.get(batch=True)
    queue.close()


def _reason(error: BaseException) -> str:
    from distributed import KilledWorker

    if isinstance(error, KilledWorker):
        return f"its workers died; the last one was {error.last_worker.address}"
    return f"on the cluster: {told(error)}"

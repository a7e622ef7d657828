"""The state of every run of a study: what comes next, what is done, how long it will take."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from wye.jobs.plan import PlannedRun
from wye.recipe.schema import Recipe

DEATHS = 3
"""So many workers may die on a run before it counts as failed."""
PATIENCE = (1.0, 2.0, 4.0, 8.0)
"""Seconds between looks at a run that another process holds; the last one again and again."""


class Status(StrEnum):
    """How far a run is."""

    WAITING = "waiting"
    HELD = "held"
    """Another process works on it."""
    ASSIGNED = "assigned"
    """Given to a worker that has not begun."""
    RUNNING = "running"
    DONE = "done"
    SKIPPED = "skipped"
    """It was finished already, or another process finished it meanwhile."""
    FAILED = "failed"


ENDS = (Status.DONE, Status.SKIPPED, Status.FAILED)


@dataclass
class Entry:
    """One run on the board.

    Attributes:
        run: the run.
        status: how far it is.
        message: why it failed.
        seconds: how long it took in this study; None until it is done.
        begun: when its worker began, on the clock of `time.monotonic`.
        fraction: of its epochs that are done.
        deaths: workers that died on it.
        times_held: how often it was found held.
        look_at: when to look at it again.
    """

    run: PlannedRun
    status: Status = Status.WAITING
    message: str = ""
    seconds: float | None = None
    begun: float = 0.0
    fraction: float = 0.0
    deaths: int = 0
    times_held: int = 0
    look_at: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """The run and how it ended."""
        return {
            "row": self.run.recipe.row,
            "seed": self.run.recipe.seed,
            "folder": str(self.run.folder),
            "status": str(self.status),
            "seconds": self.seconds,
            "message": self.message or None,
        }


class BoardObserver(Protocol):
    """Is called when something happens on a board."""

    def changed(self, board: Board) -> None:
        """Something changed, or a second has passed."""

    def ended(self, board: Board, entry: Entry) -> None:
        """A run came to its end."""

    def warned(self, entry: Entry, text: str) -> None:
        """A worker has a warning about a run."""


class Board:
    """The runs of a study and how far each is. Not for several threads.

    Args:
        runs: each behind its dependencies.
        finished: whether there is nothing to do for a run, whoever did it.
        observer: is called when something happens.

    Attributes:
        at_once: runs that go side by side; for the executor to set.
    """

    def __init__(
        self,
        runs: Iterable[PlannedRun],
        finished: Callable[[PlannedRun], bool],
        observer: BoardObserver,
    ) -> None:
        self.entries: dict[Path, Entry] = {run.folder: Entry(run) for run in runs}
        self.at_once = 1
        self._finished = finished
        self.observer = observer
        for entry in self.entries.values():
            if entry.run.fault:
                self._end(entry, Status.FAILED, entry.run.fault)
            elif finished(entry.run):
                self._end(entry, Status.SKIPPED)

    @property
    def over(self) -> bool:
        """Whether every run has come to its end."""
        return not self.left

    @property
    def left(self) -> list[Recipe]:
        """The recipes of the runs that have not come to their end."""
        return [entry.run.recipe for entry in self.entries.values() if entry.status not in ENDS]

    @property
    def counts(self) -> Counter[Status]:
        """How many runs are how far."""
        return Counter(entry.status for entry in self.entries.values())

    def next(self) -> PlannedRun | None:
        """Assign a run that can begin; None if there is none at the moment.

        Runs that another process finished meanwhile, and those with a failed dependency, come to
        their end on the way.
        """
        now = time.monotonic()
        for entry in self.entries.values():
            if entry.status not in (Status.WAITING, Status.HELD) or entry.look_at > now:
                continue
            needed = [self.entries[folder] for folder in entry.run.dependencies]
            if failed := next((n for n in needed if n.status is Status.FAILED), None):
                self._end(entry, Status.FAILED, f"it needs {failed.run}, which failed")
            elif any(n.status not in ENDS for n in needed):
                continue
            elif not self.finished(entry.run):
                entry.status = Status.ASSIGNED
                return entry.run
        return None

    def finished(self, run: PlannedRun) -> bool:
        """Whether there is nothing to do for a run; if so, it comes to its end."""
        if not self._finished(run):
            return False
        self._end(self.entries[run.folder], Status.SKIPPED)
        return True

    def begun(self, run: PlannedRun) -> None:
        """A worker began with a run."""
        entry = self.entries[run.folder]
        entry.status, entry.begun, entry.fraction = Status.RUNNING, time.monotonic(), 0.0
        self.observer.changed(self)

    def apply(self, run: PlannedRun, message: Mapping[str, Any]) -> bool:
        """Enter what a worker sends of its run (`jobs.worker.Message`).

        Returns:
            Whether the worker is done with the run; after an epoch, it shall be.
        """
        entry = self.entries[run.folder]
        match message["event"]:
            case "epoch":
                entry.fraction = message["epoch"] / message["epochs"]
                self.observer.changed(self)
                return False
            case "warning":
                self.observer.warned(entry, message["text"])
                return False
            case "done":
                entry.seconds = time.monotonic() - entry.begun
                self._end(entry, Status.DONE)
            case "held":
                self.held(run)
            case "failed":
                self.failed(run, message["message"])
            case "died":
                self.died(run, message["how"])
        return True

    def failed(self, run: PlannedRun, message: str) -> None:
        """A run cannot be finished."""
        self._end(self.entries[run.folder], Status.FAILED, message)

    def held(self, run: PlannedRun) -> None:
        """Another process has a run; it will be looked at again."""
        entry = self.entries[run.folder]
        pause = PATIENCE[min(entry.times_held, len(PATIENCE) - 1)]
        entry.status, entry.times_held = Status.HELD, entry.times_held + 1
        entry.look_at = time.monotonic() + pause
        self.observer.changed(self)

    def died(self, run: PlannedRun, how: str) -> None:
        """The worker of a run died; another one goes on with it, but not for ever."""
        entry = self.entries[run.folder]
        entry.deaths += 1
        if entry.deaths >= DEATHS:
            self.failed(run, f"{entry.deaths} workers died on it; the last: {how}")
            return
        entry.status = Status.WAITING
        self.observer.warned(entry, f"its worker died ({how}); another one goes on with it")
        self.observer.changed(self)

    def seconds_left(self) -> float | None:
        """An estimate from the runs done and the epochs under way; None while nothing is known."""
        now = time.monotonic()
        under_way = [e for e in self.entries.values() if e.status is Status.RUNNING]
        known = [e.seconds for e in self.entries.values() if e.seconds is not None]
        known += [(now - e.begun) / e.fraction for e in under_way if e.fraction > 0]
        if not known:
            return None
        ahead = sum(e.status not in (*ENDS, Status.RUNNING) for e in self.entries.values())
        each = sum(known) / len(known)
        rest = [max(0.0, each - (now - e.begun)) for e in under_way]
        side_by_side = max(1, min(self.at_once, ahead + len(rest)))
        return max([(each * ahead + sum(rest)) / side_by_side, *rest])

    def _end(self, entry: Entry, status: Status, message: str = "") -> None:
        entry.status, entry.message = status, message
        self.observer.ended(self, entry)
        self.observer.changed(self)

"""The trials of a search as a board, from which workers take their runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wye.jobs.board import ENDS, Board, BoardObserver, Entry, Status
from wye.jobs.plan import PlannedRun
from wye.tune.search import Search

PRUNED = "pruned"
"""Message of a trial that was given up."""


class SearchBoard(Board):
    """A board whose runs are chosen one by one, by what those before have reached."""

    def __init__(self, search: Search, observer: BoardObserver) -> None:
        super().__init__([], lambda run: False, observer)
        self._search = search
        self._all_asked = False

    @property
    def over(self) -> bool:
        """Whether every trial has come to its end."""
        return self._all_asked and not self.left

    def next(self) -> PlannedRun | None:
        """A run that waits for a worker again, or the next trial, chosen when there is room."""
        if (run := super().next()) is not None:
            return run
        if self.counts[Status.ASSIGNED] + self.counts[Status.RUNNING] >= self.at_once:
            return None
        if (run := self._search.ask()) is None:
            self._all_asked = True
            return None
        self.entries[run.folder] = Entry(run, Status.ASSIGNED)
        return run

    def apply(self, run: PlannedRun, message: Mapping[str, Any]) -> bool:
        """See `Board`; a run that is behind the others is no longer wanted."""
        over = super().apply(run, message)
        if message["event"] == "epoch" and self._search.hopeless(run):
            super()._end(self.entries[run.folder], Status.SKIPPED, PRUNED)
            return True
        return over

    def _end(self, entry: Entry, status: Status, message: str = "") -> None:
        assert status in ENDS
        if status is Status.DONE:
            self._search.done(entry.run)
        elif status is Status.FAILED:
            self._search.failed(entry.run)
        super()._end(entry, status, message)

"""Progress of a study on standard error: a live table, or a line per finished run."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from wye.cli.output import tell
from wye.jobs import Board, Entry, Status
from wye.progress import REFRESH, clock
from wye.wording import plain

SHOWN = 16
"""Lines of running runs on a terminal."""


class StudyProgress:
    """Shows a board; see `wye.jobs.BoardObserver`."""

    def __init__(self) -> None:
        self._console = Console(file=sys.stderr)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._printed: set[str] = set()
        self._shown = 0.0

    def __enter__(self) -> StudyProgress:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def changed(self, board: Board) -> None:
        """Show the board anew, on a terminal."""
        now = time.monotonic()
        if self._live.is_started and (board.over or now - self._shown >= REFRESH):
            self._shown = now
            lines = [summary(board), *_running(board)]
            self._live.update(Text("\n".join(lines)), refresh=True)

    def ended(self, board: Board, entry: Entry) -> None:
        """Print how a run ended."""
        if entry.status is Status.SKIPPED:
            return
        if entry.status is Status.DONE:
            text = f"{entry.run}: done in {clock(entry.seconds or 0.0)}"
        else:
            text = f"{entry.run}: failed: {entry.message}"
        self.say(f"{text}  ({summary(board)})")

    def warned(self, entry: Entry, text: str) -> None:
        """Print a warning of a worker, the same one once."""
        if text not in self._printed:
            self._printed.add(text)
            self.say(f"{entry.run}: {text}")

    def say(self, line: str) -> None:
        """Print a line above what is live."""
        self._console.print(plain(line), markup=False, highlight=False, soft_wrap=True)


def say_failures(runs: Sequence[dict[str, Any]]) -> None:
    """Print why runs failed, as `Entry.as_json` has them."""
    for run in runs:
        if run["status"] == Status.FAILED:
            failure = f"{run['row']} seed {run['seed']} failed: {run['message']}"
            tell(f"wye: {failure}", file=sys.stderr)


def summary(board: Board) -> str:
    """`12 of 30 done, 2 running, 1 failed, 15 waiting, about 1:20:00 left`."""
    counts = board.counts
    ended = counts[Status.DONE] + counts[Status.SKIPPED]
    parts = [f"{ended} of {len(board.entries)} done"]
    waiting = counts[Status.WAITING] + counts[Status.ASSIGNED]
    for count, word in (
        (counts[Status.RUNNING], "running"),
        (counts[Status.FAILED], "failed"),
        (waiting, "waiting"),
        (counts[Status.HELD], "held by another process"),
    ):
        if count:
            parts.append(f"{count} {word}")
    left = None if board.over else board.seconds_left()
    if left is not None:
        parts.append(f"about {clock(left)} left")
    return ", ".join(parts)


def _running(board: Board) -> list[str]:
    running = [entry for entry in board.entries.values() if entry.status is Status.RUNNING]
    lines = [f"  {entry.run}  {100 * entry.fraction:.0f} %" for entry in running[:SHOWN]]
    if len(running) > SHOWN:
        lines.append(f"  and {len(running) - SHOWN} more")
    return lines

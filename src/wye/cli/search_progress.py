"""Progress of a search on standard error: what each trial chose and reached."""

from __future__ import annotations

from wye.cli.output import figure
from wye.cli.study_progress import StudyProgress
from wye.jobs import Board, Entry
from wye.metrics import METRICS
from wye.tune import Search, Trial


class SearchProgress(StudyProgress):
    """Prints what each trial reached."""

    def __init__(self, search: Search) -> None:
        super().__init__()
        self._search = search

    def ended(self, board: Board, entry: Entry) -> None:
        """Print how a trial ended."""
        trial = self._search.trial(entry.run)
        chosen = " ".join(trial.words[len(self._search.space.fixed) :])
        reached = _reached(self._search, trial)
        if entry.message and trial.state == "fail":
            reached += f": {entry.message}"
        self.say(f"trial {trial.number}: {chosen}: {reached}")


def _reached(search: Search, trial: Trial) -> str:
    if trial.value is None:
        return "failed" if trial.state == "fail" else f"given up after epoch {trial.epochs}"
    return f"{search.metric} {shown(search, trial.value)}"


def shown(search: Search, value: float) -> str:
    """A value of the search's metric, for people."""
    return figure(search.metric, value) if search.metric in METRICS else f"{value:.4g}"

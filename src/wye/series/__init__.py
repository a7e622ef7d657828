"""Series of runs: planned together, carried out side by side here or on a cluster."""

from wye.series.board import Board, Entry, Status, Watch
from wye.series.job import Job
from wye.series.plan import PlannedRun, plan

__all__ = ["Board", "Entry", "Job", "PlannedRun", "Status", "Watch", "plan"]

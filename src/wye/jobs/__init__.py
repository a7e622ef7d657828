"""Many runs: planned together, run in processes of this machine or on a Dask cluster."""

from wye.jobs.board import Board, BoardObserver, Entry, Status
from wye.jobs.plan import PlannedRun, plan

__all__ = ["Board", "BoardObserver", "Entry", "PlannedRun", "Status", "plan"]

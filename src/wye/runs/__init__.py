"""Runs: the folder that holds one, its launch, and reading one back."""

from wye.runs.folder import RunFolder, default_folder
from wye.runs.run import Run, find_runs

__all__ = ["Run", "RunFolder", "default_folder", "find_runs"]

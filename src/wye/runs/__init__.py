"""Runs: the folder that holds one, its launch, and reading one back."""

from wye.runs.folder import Run, RunFolder, default_folder, find_runs

__all__ = ["Run", "RunFolder", "default_folder", "find_runs"]

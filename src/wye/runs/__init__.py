"""Runs: the folder that holds one, carrying one out, and reading one back."""

from wye.runs.carry_out import carry_out
from wye.runs.folder import Run, RunFolder, default_folder, find_runs

__all__ = ["Run", "RunFolder", "carry_out", "default_folder", "find_runs"]

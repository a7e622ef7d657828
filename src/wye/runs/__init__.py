"""Runs: the folder that holds one, carrying one out, and reading one back."""

from wye.runs.folder import Run, RunFolder, default_folder, find_runs
from wye.runs.launch import Launch, launch

__all__ = ["Launch", "Run", "RunFolder", "default_folder", "find_runs", "launch"]

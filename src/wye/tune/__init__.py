"""Searching settings by what they reach on the validation part, with Optuna."""

from wye.tune.search import Search, Trial
from wye.tune.space import Space, read_space

__all__ = ["Search", "Space", "Trial", "read_space"]

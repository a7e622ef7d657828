"""What a tracker is told of a run, and what it must be able to take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from wye import yaml_text
from wye.files import opened
from wye.runs.run import Run

ENVIRONMENT = ("wye", "torch", "commit", "command", "device", "device_name", "precision")
"""What is told of `environment.json`."""
Values = Mapping[str, float]
"""Numbers by name: `train/loss`, `validation/accuracy`, `lr`."""


@dataclass(frozen=True)
class Tracked:
    """A run for a tracker.

    Attributes:
        run: the run; its recipe and environment are there, its result only at the end.
        root: the folder of runs, beside which a tracker's own files may lie.
        known: how the tracker called the run when it was handed on before; empty if it wasn't.
    """

    run: Run
    root: Path
    known: str = ""

    @property
    def name(self) -> str:
        """`joint/v4-l2 seed 3`."""
        return f"{self.run.recipe.row} seed {self.run.recipe.seed}"

    @property
    def group(self) -> str:
        """The row: runs that differ in their seed."""
        return self.run.recipe.row

    @property
    def recipe(self) -> str:
        """The recipe as YAML."""
        with opened(self.run.path / "recipe.yaml") as file:
            return file.read().decode()

    @property
    def settings(self) -> dict[str, Any]:
        """Every setting by dotted key, and where the run was made, under `environment`."""
        made = self.run.environment
        environment = {key: made[key] for key in ENVIRONMENT if made.get(key) is not None}
        dumped = {**yaml_text.load(self.recipe), "environment": environment}
        return dict(_dotted(dumped))


def _dotted(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from _dotted(inner, f"{key}.{name}" if key else str(name))
    elif value is not None:
        yield key, value if isinstance(value, bool | int | float | str) else str(value)


class Writer(Protocol):
    """A run in a tracker, open.

    Attributes:
        known: how the tracker calls the run, by which it finds it again.
    """

    known: str

    def epoch(self, epoch: int, values: Values) -> None:
        """Take what was measured of an epoch, counted from 1."""

    def end(self, epoch: int, values: Values, pictures: Mapping[str, Path]) -> None:
        """Take the final result, and pictures (PNG) by name; `epoch` is the last one."""

    def close(self, done: bool) -> None:
        """Let go of the run: it is done, or can be gone on with."""

"""What a training tells of itself: a record an epoch, and who watches each step."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from wye.training.running_means import RunningMeans


@dataclass(frozen=True)
class EpochRecord:
    """One epoch: a line of `metrics.jsonl`. `epoch` counts from 1 over all phases."""

    epoch: int
    phase: str
    lr: float
    seconds: float
    images_per_second: float
    train: dict[str, float]
    validation: dict[str, float] | None = None
    test: dict[str, float] | None = None
    best: bool = field(default=False, compare=False)

    def line(self) -> dict[str, Any]:
        """The record as JSON; parts that were not measured are absent."""
        entry = {key: value for key, value in vars(self).items() if value is not None}
        del entry["best"]
        return entry


class Observer(Protocol):
    """Told of every step, to show progress."""

    def step(self, epoch: int, step: int, steps: int, means: RunningMeans) -> None:
        """Step `step` of `steps` of an epoch is done; `means` holds the epoch so far."""

"""What a training tells of itself: running means, a record per epoch, and who watches each step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from wye.batch import Batch


class RunningMeans:
    """Means of terms and accuracy over the images seen so far.

    They stay on the device, so that no step waits for a number. A batch weighs as much as it has
    labelled images.
    """

    def __init__(self) -> None:
        self.images = 0
        self._labelled = 0
        self._sums: dict[str, Tensor] = {}
        self._correct: Tensor | None = None

    @torch.no_grad()
    def add(self, terms: Mapping[str, Tensor], correct: Tensor | None, batch: Batch) -> None:
        """Take in a batch: its mean terms, and how many were correctly classified if any."""
        count = len(batch.labels)
        self.images += len(batch.inputs)
        self._labelled += count
        for name, term in terms.items():
            value = term.detach() * count
            self._sums[name] = self._sums[name] + value if name in self._sums else value
        if correct is not None:
            self._correct = correct if self._correct is None else self._correct + correct

    def values(self) -> dict[str, float]:
        """Each term's mean over the images, and `accuracy`."""
        means = {name: (total / self._labelled).item() for name, total in self._sums.items()}
        if self._correct is not None:
            means["accuracy"] = self._correct.item() / self._labelled
        return means


@torch.no_grad()
def correctly_classified(logits: Tensor | None, labels: Tensor) -> Tensor | None:
    """How many of the images with a label get it, a scalar; None without logits `(M, classes)`."""
    return None if logits is None else (logits.argmax(1) == labels).sum()


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
        """The record as JSON; what was not measured is absent."""
        entry = {key: value for key, value in vars(self).items() if value is not None}
        del entry["best"]
        return entry


class Observer(Protocol):
    """Is called after every step, to show progress."""

    def step(self, epoch: int, step: int, steps: int, means: RunningMeans) -> None:
        """Step `step` of `steps` of an epoch is done; `means` holds the epoch so far."""

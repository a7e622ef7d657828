"""Running means of an epoch's terms, kept on the device so that no step waits for a number."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from wye.data.batches import Batch


class RunningMeans:
    """Means of terms and accuracy over the images seen so far.

    A batch weighs as much as it has labelled images.
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

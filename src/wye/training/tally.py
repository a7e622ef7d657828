"""Running means of an epoch's terms, kept on the device so that no step waits for a number."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from wye.data.batches import Batch


class Tally:
    """Sums of terms and of right answers over the images seen so far.

    A batch weighs as much as it has labelled images.
    """

    def __init__(self) -> None:
        self.images = 0
        self._labelled = 0
        self._sums: dict[str, Tensor] = {}
        self._right: Tensor | None = None

    @torch.no_grad()
    def add(self, terms: Mapping[str, Tensor], logits: Tensor | None, batch: Batch) -> None:
        """Take in a batch: its mean terms, and its logits `(M, classes)` where there are any."""
        count, labels = len(batch.labels), batch.labels
        self.images += len(batch.inputs)
        self._labelled += count
        for name, term in terms.items():
            value = term.detach() * count
            self._sums[name] = self._sums[name] + value if name in self._sums else value
        if logits is not None:
            right = (logits.argmax(1) == labels).sum()
            self._right = right if self._right is None else self._right + right

    def means(self) -> dict[str, float]:
        """Each term's mean over the images, and the share of right answers as `accuracy`."""
        means = {name: (total / self._labelled).item() for name, total in self._sums.items()}
        if self._right is not None:
            means["accuracy"] = self._right.item() / self._labelled
        return means

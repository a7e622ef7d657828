"""A batch, and the shard of it that one of several processes computes with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor


class Batch(NamedTuple):
    """What one step sees.

    Attributes:
        inputs: `(N, C, H, W)`.
        targets: `(N, C, H, W)`, what the decoder is to give.
        labels: `(M,)`, of the first M images; the others have none.
        noisy: `(N, C, H, W)`, what the decoder's branch is shown instead of `inputs`; None where it
            is shown those (`data.corrupt_in`).
    """

    inputs: Tensor
    targets: Tensor
    labels: Tensor
    noisy: Tensor | None = None


@dataclass(frozen=True)
class Shard:
    """Which images of a batch process `rank` of `ranks` computes with.

    Each process takes a run of the labelled images and a run of the others, as even as can be. Of
    a batch with fewer of either than there are processes each takes everything, and weighs it
    accordingly: no process is ever without an image.

    Whatever is drawn at random is drawn for the whole batch by every process, from the same
    stream, and each keeps its shard: the processes together see what one alone would.

    Attributes:
        images: of the whole batch.
        labelled: how many of them, the first ones, have a label.
    """

    rank: int
    ranks: int
    images: int
    labelled: int

    @classmethod
    def of(cls, batch: Batch, rank: int, ranks: int) -> Shard:
        """The shard of `batch` for process `rank`."""
        return cls(rank, ranks, len(batch.inputs), len(batch.labels))

    @property
    def repeated(self) -> bool:
        """Whether every process takes the whole batch."""
        return any(0 < count < self.ranks for count in (self.labelled, self.images - self.labelled))

    def take(self, values: Tensor) -> Tensor:
        """This shard of `(N, ...)` or, of the labelled images alone, of `(M, ...)`."""
        if self.repeated:
            return values
        first = values[slice(*self._run(self.labelled, self.rank))]
        if len(values) == self.labelled:
            return first
        others = slice(*self._run(self.images - self.labelled, self.rank))
        return torch.cat([first, values[self.labelled :][others]])

    def batch(self, batch: Batch) -> Batch:
        """This shard of a whole batch."""
        inputs = self.take(batch.inputs)
        same = batch.targets is batch.inputs
        targets = inputs if same else self.take(batch.targets)
        noisy = None if batch.noisy is None else self.take(batch.noisy)
        return Batch(inputs, targets, self.take(batch.labels), noisy)

    def whole_like(self, own: Tensor) -> Tensor:
        """An uninitialised tensor for the whole batch, in the type and the layout of `own`.

        Args:
            own: `(n, ...)`, of this shard's images or of its labelled images.
        """
        last = own.ndim == 4 and own.is_contiguous(memory_format=torch.channels_last)
        return torch.empty(
            (self.whole(len(own)), *own.shape[1:]),
            dtype=own.dtype,
            device=own.device,
            memory_format=torch.channels_last if last else torch.contiguous_format,
        )

    def fractions(self, own: int) -> list[float]:
        """What the means over each process's images weigh in the mean over the whole batch.

        Args:
            own: how many images this process took: all of its shard, or its labelled ones.
        """
        if self.repeated:
            return [1 / self.ranks] * self.ranks
        whole = self.whole(own)
        return [self._count(whole, rank) / whole for rank in range(self.ranks)]

    def fraction(self, own: int) -> float:
        """What a mean over this process's images weighs; see `fractions`."""
        return self.fractions(own)[self.rank]

    def whole(self, own: int) -> int:
        """How many images of the whole batch are alike those `own` of this process."""
        return self.labelled if own == self._count(self.labelled, self.rank) else self.images

    def _count(self, whole: int, rank: int) -> int:
        if self.repeated:
            return whole
        counts = (
            [self.labelled] if whole == self.labelled else [self.labelled, whole - self.labelled]
        )
        return sum(end - start for start, end in (self._run(count, rank) for count in counts))

    def _run(self, count: int, rank: int) -> tuple[int, int]:
        return count * rank // self.ranks, count * (rank + 1) // self.ranks

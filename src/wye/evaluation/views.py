"""Several views of an image, whose logits are averaged: test-time augmentation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Views:
    """What an image is classified by, beside itself.

    With a shift, the image weighs one half, and a quarter each the two that are moved by so many
    pixels up and left, and down and right, over a mirrored border. With `mirror`, each of them
    shares its weight with its mirror image. Both together are the six views of airbench94 (Jordan,
    2024, arXiv 2404.00498).
    """

    mirror: bool = False
    shift: int = 0

    def mean(self, own: Tensor, images: Tensor, classify: Callable[[Tensor], Tensor]) -> Tensor:
        """The weighted mean of the logits of all views, in fp32.

        Args:
            own: logits `(N, classes)` of the images themselves.
        """
        logits = own.float() * self.own_weight
        for view, weight in self.others(images):
            logits = logits + classify(view).float() * weight
        return logits

    def others(self, images: Tensor) -> Iterator[tuple[Tensor, float]]:
        """The views `(N, C, H, W)` beside `images`, each with its weight."""
        if self.mirror:
            yield images.flip(3), self.own_weight
        if not self.shift:
            return
        height, width = images.shape[2:]
        padded = F.pad(images, (self.shift,) * 4, mode="reflect")
        for start in (0, 2 * self.shift):
            moved = padded[:, :, start : start + height, start : start + width]
            for view in (moved, moved.flip(3)) if self.mirror else (moved,):
                yield view, self.own_weight / 2

    @property
    def own_weight(self) -> float:
        """The weight of the image itself."""
        return (0.5 if self.shift else 1.0) / (2 if self.mirror else 1)


ITSELF = Views()
"""The image alone."""

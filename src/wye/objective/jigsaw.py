"""Jigsaw (delta, study S0): the image reconstructed from its shuffled tiles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wye.errors import UsageError
from wye.objective.reconstruction import reconstruction_error
from wye.objective.term import LossSettings, Step, Term, register

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@register
class Jigsaw(Term):
    """Squared error of the image reconstructed from `jigsaw_grid` x `jigsaw_grid` tiles."""

    name = "jigsaw"
    weight = "delta"
    meaning = "Jigsaw: squared error of the image reconstructed from its shuffled tiles."
    column = "jigsaw"
    place = 4
    needs = frozenset({"decoder"})
    own_pass = True

    def compute(self, step: Step) -> Tensor:
        """The mean over images, pixels and channels."""
        # Ordered for the whole batch: the devices together see what one alone would.
        tiles = shuffled_tiles(step.whole.inputs, step.settings.jigsaw_grid, step.generator)
        return reconstruction_error(step.reconstruct(tiles), step.batch.targets)

    def check(self, settings: LossSettings, height: int, width: int) -> None:
        """The tiles must fill the image."""
        check_grid(settings.jigsaw_grid, height, width)


def shuffled_tiles(images: Tensor, grid: int, generator: torch.Generator) -> Tensor:
    """Images cut into `grid` x `grid` tiles, those of each put back in an order of its own.

    Every order is as likely as any other.

    Args:
        images: `(N, C, H, W)`.
        grid: tiles a side.
        generator: on the device of the images.

    Raises:
        UsageError: `grid` does not divide the height and the width.
    """
    import torch

    count, channels, height, width = images.shape
    check_grid(grid, height, width)
    tall, wide = height // grid, width // grid
    tiles = images.reshape(count, channels, grid, tall, grid, wide).permute(0, 2, 4, 1, 3, 5)
    tiles = tiles.reshape(count, grid * grid, channels, tall, wide)
    draws = torch.rand(count, grid * grid, generator=generator, device=images.device)
    order = draws.argsort(1).view(count, grid * grid, 1, 1, 1)
    mixed = tiles.take_along_dim(order, 1).view(count, grid, grid, channels, tall, wide)
    return mixed.permute(0, 3, 1, 4, 2, 5).reshape(images.shape)


def check_grid(grid: int, height: int, width: int) -> None:
    """Refuse a jigsaw of tiles that don't fit the image.

    Raises:
        UsageError: `grid` does not divide `height` and `width`.
    """
    if height % grid or width % grid:
        fitting = [n for n in range(2, 17) if height % n == 0 and width % n == 0]
        right = f"; {', '.join(map(str, fitting))} would" if fitting else ""
        raise UsageError(
            f"loss.jigsaw_grid={grid} does not divide images of {height}x{width}{right}"
        )

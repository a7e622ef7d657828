"""The terms of the objective: pure functions of what the network said and what was true."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from wye.errors import UsageError

FLAWLESS = 1e-6
"""Added to an image's squared error before its logarithm, which has no bound below."""


def log_mse(reconstructed: Tensor, target: Tensor) -> Tensor:
    """Mean over images of the natural logarithm of each one's mean squared error."""
    errors = (reconstructed - target).square().flatten(1).mean(1)
    return (errors + FLAWLESS).log().mean()


ERRORS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": F.mse_loss,
    "mae": F.l1_loss,
    "bce": F.binary_cross_entropy,
    "log_mse": log_mse,
}


def classification(
    logits: Tensor,
    labels: Tensor,
    label_smoothing: float = 0.0,
    class_weights: Tensor | None = None,
) -> Tensor:
    """Cross-entropy in nats, mean over images (alpha).

    Args:
        logits: `(N, K)`.
        labels: `(N,)`.
        label_smoothing: share of each label spread evenly over all classes.
        class_weights: `(K,)`; the mean is then weighted by the class of each image.
    """
    return F.cross_entropy(
        logits.float(), labels, weight=class_weights, label_smoothing=label_smoothing
    )


def reconstruction(reconstructed: Tensor, target: Tensor, error: str = "mse") -> Tensor:
    """Mean over images, pixels and channels of an error (beta); both are `(N, C, H, W)`.

    Args:
        reconstructed: within [0, 1] for bce.
        target: within [0, 1] for bce.
        error: `mse` squared, `mae` absolute, `bce` binary cross-entropy in nats, `log_mse` the
            logarithm of each image's squared error, which the mean PSNR falls with.
    """
    return ERRORS[error](reconstructed.float(), target)


def l2(parameters: Iterable[nn.Parameter]) -> Tensor:
    """Half the sum of squares of all parameters, biases included (gamma, study S0)."""
    half: Tensor = _HalfSquares.apply(*parameters)  # type: ignore[no-untyped-call]
    return half


class _HalfSquares(torch.autograd.Function):
    """Half the sum of squares, whose gradient is the parameters themselves.

    Left to autograd it takes twice as long: a handful of operators for each parameter.
    """

    @staticmethod
    def forward(ctx: Any, *parameters: Tensor) -> Tensor:
        ctx.save_for_backward(*parameters)
        return 0.5 * get_total_norm(parameters).square()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:
        return tuple(gradient * parameter for parameter in ctx.saved_tensors)


def shuffled_tiles(images: Tensor, grid: int, generator: torch.Generator) -> Tensor:
    """Images cut into `grid` x `grid` tiles, those of each put back in an order of its own.

    What the jigsaw term (delta, study S0) feeds the encoder. Every order is as likely as any other.

    Args:
        images: `(N, C, H, W)`.
        grid: tiles a side.
        generator: on the device of the images.

    Raises:
        UsageError: `grid` does not divide the height and the width.
    """
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


def features(
    made: Sequence[Tensor], wanted: Sequence[Tensor], weights: Sequence[float], gram: float
) -> Tensor:
    """Difference of what a network sees in two batches of images (phi, study S4).

    `sum_i w_i MSE(f_i) + w_i^2 gram MSE(G_i)` with the Gram matrices `G = F F' / (C H W)` of each
    image (Johnson et al. 2016, in the weighting of fastai's super-resolution).

    Args:
        made, wanted: features of the reconstructions and of the targets, each `(N, C, H, W)`.
        weights: one a feature.
        gram: weight of the Gram matrices.
    """
    total = made[0].new_zeros((), dtype=torch.float32)
    for ours, theirs, weight in zip(made, wanted, weights, strict=True):
        total = total + weight * F.mse_loss(ours.float(), theirs.float())
        if gram:
            style = F.mse_loss(gram_matrix(ours), gram_matrix(theirs))
            total = total + weight**2 * gram * style
    return total


def gram_matrix(features: Tensor) -> Tensor:
    """`(N, C, C)`: products of the channels of `(N, C, H, W)`, summed over positions / (C H W)."""
    channels = features.float().flatten(2)
    return channels @ channels.transpose(1, 2) / channels[0].numel()

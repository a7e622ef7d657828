"""The whitening convolution: fixed filters that decorrelate the patches of the training images."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wye.network.layers import Route, apply

PATCHES = 200_000
_CHUNK = 100


class Whitening(nn.Module):
    """Convolution with `n` fixed filters, half of them the negatives of the other half.

    The filters are the leading eigenvectors of the covariance of image patches, each divided by the
    root of its eigenvalue; a ReLU behind them loses nothing, because what one of a pair cuts off
    the other lets through. Source: airbench (Jordan, arXiv 2404.00498), after Page, "How to train
    your ResNet".
    """

    weight: Tensor

    def __init__(self, channels: int, n: int, k: int, s: int, p: int) -> None:
        super().__init__()
        if n % 2 or n // 2 > channels * k * k:
            raise ValueError(
                f"n must be even and at most {2 * channels * k * k}, twice the values of a patch"
            )
        self.stride, self.padding = s, p
        # A buffer, not a parameter: no phase may set it free, no L2 term may shrink it.
        self.register_buffer("weight", torch.zeros(n, channels, k, k))

    def forward(self, images: Tensor) -> Tensor:
        return F.conv2d(images, self.weight, stride=self.stride, padding=self.padding)

    @torch.no_grad()
    def initialise(self, inputs: Tensor, epsilon: float = 5e-4) -> None:
        """Take the filters from the patches of `inputs` `(N, C, H, W)`.

        Args:
            epsilon: added to each eigenvalue, so that directions without variance stay small.
        """
        count, channels, size, _ = self.weight.shape
        values, vectors = torch.linalg.eigh(_second_moments(inputs, size))
        leading = vectors.flip(1)[:, : count // 2] / (values.flip(0)[: count // 2] + epsilon).sqrt()
        filters = leading.T.reshape(-1, channels, size, size)
        # An eigenvector's sign is arbitrary; a fixed one makes runs equal on all libraries.
        signs = filters.flatten(1).sum(1).sign().clamp_min(0) * 2 - 1
        filters = filters * signs.view(-1, 1, 1, 1)
        self.weight.copy_(torch.cat([filters, -filters]))

    def extra_repr(self) -> str:
        return f"{tuple(self.weight.shape)}, stride={self.stride}, padding={self.padding}"


def initialise_whitening(layers: Iterable[nn.Module], images: Tensor) -> None:
    """Let each whitening among the layers of a chain take its filters from what reaches it.

    Args:
        layers: the chain, from the image on.
        images: normalised training images `(N, C, H, W)`.
    """
    chain = list(layers)
    places = [index for index, layer in enumerate(chain) if _whitenings(layer)]
    inputs, route = images, Route(tuple(images.shape[2:]))
    for index, layer in enumerate(chain[: places[-1] + 1] if places else []):
        for module in _whitenings(layer):
            module.initialise(inputs)
        if index < places[-1]:
            with torch.no_grad():
                inputs = apply(layer, inputs, route)


def _whitenings(layer: nn.Module) -> list[Whitening]:
    return [module for module in layer.modules() if isinstance(module, Whitening)]


def _second_moments(inputs: Tensor, size: int) -> Tensor:
    """Mean products of the values of evenly chosen patches, float64 `(C*k*k, C*k*k)`.

    Some images at a time: all patches of a few thousand images take a gigabyte.
    """
    channels, height, width = inputs.shape[1:]
    of_each = (height - size + 1) * (width - size + 1)
    step = max(1, len(inputs) * of_each // PATCHES)
    total = inputs.new_zeros((channels * size**2,) * 2, dtype=torch.float64)
    used = first = 0
    for part in inputs.split(_CHUNK):
        columns = F.unfold(part.float(), size).transpose(1, 2).reshape(-1, len(total))
        patches = columns[first::step].double()
        total += patches.T @ patches
        used += len(patches)
        first = (first - len(columns)) % step
    return total / used

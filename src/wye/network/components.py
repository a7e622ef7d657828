"""Principal components of whole images, and their symbols: from the image to values, and back."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wye.network.layers import Route, Routed
from wye.network.symbols import SYMBOLS, Count, Shape
from wye.network.symbols_layout import Sizes


class Components(Routed):
    """Keeps the first `count` principal components of each image for the next `Join`.

    Over the training images each has mean 0 and variance 1, so that a linear layer behind them
    learns the best linear decoder in a few hundred steps, and what is not linear from there. An
    image of another size than `shape` is resized first. The features pass unchanged.

    Args:
        shape: `(C, H, W)` of the images that the components are of.
        count: how many.

    Raises:
        ValueError: more components than values, or no image.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, shape: tuple[int, ...], count: int) -> None:
        super().__init__()
        values = math.prod(shape)
        if len(shape) != 3 or count > values:
            raise ValueError(f"it needs an image (C, H, W) of at least {count} values")
        self.shape, self.count = shape, count
        # Buffers, not parameters: no phase may set them free, no L2 term may shrink them.
        self.register_buffer("weight", torch.zeros(count, values))
        self.register_buffer("bias", torch.zeros(count))

    def forward(self, inputs: Tensor, route: Route) -> Tensor:
        images = inputs
        if tuple(inputs.shape[2:]) != self.shape[1:]:
            images = F.interpolate(inputs, self.shape[1:], mode="bilinear", antialias=True)
        route.side = F.linear(images.flatten(1), self.weight, self.bias)[:, :, None, None]
        return inputs

    @torch.no_grad()
    def initialise(
        self, mean: Tensor, basis: Tensor, spread: Tensor, shift: Tensor, scale: Tensor
    ) -> None:
        """Take the components of images in [0, 1]; where there are fewer, the others are 0.

        Args:
            mean: the mean image, `(D,)` with D = C*H*W.
            basis: orthonormal columns `(D, d)`, d at most `count`.
            spread: standard deviations along them, `(d,)`.
            shift, scale: a pixel is the layer's input times `scale` plus `shift`, `(C, 1, 1)` each.
        """
        offset = shift.expand(self.shape).flatten() - mean
        rows = basis.T / spread.clamp_min(1e-6)[:, None]
        self.weight[: len(rows)] = rows * scale.expand(self.shape).flatten()
        self.bias[: len(rows)] = rows @ offset

    def extra_repr(self) -> str:
        """The setting, as it is written."""
        return f"{self.count}"


class ImageOfComponents(nn.Module):
    """The image `(N, *shape)` that the last `count` of `(N, values)` give as `Components`.

    That is PCA's, and it is fixed; what a linear layer makes of the values before them is added,
    and begins at nothing.

    Raises:
        ValueError: fewer values than components, or more components than the image has values.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, values: int, count: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape, self.count = shape, count
        size = math.prod(shape)
        if count > min(values, size):
            raise ValueError(f"{count} components cannot be among {min(values, size)} values")
        self.register_buffer("weight", torch.zeros(size, count))
        self.register_buffer("bias", torch.zeros(size))
        self.others = nn.Linear(values - count, size, bias=False) if values > count else None
        if self.others is not None:
            nn.init.zeros_(self.others.weight)

    def forward(self, latent: Tensor) -> Tensor:
        image = F.linear(latent[:, -self.count :], self.weight, self.bias)
        if self.others is not None:
            image = image + self.others(latent[:, : -self.count])
        return image.view(-1, *self.shape)

    @torch.no_grad()
    def initialise(
        self, mean: Tensor, basis: Tensor, spread: Tensor, shift: Tensor, scale: Tensor
    ) -> None:
        """Take the components of images in [0, 1]; see `Components.initialise`.

        Args:
            shift, scale: a pixel is what this gives times `scale` plus `shift`, `(C, 1, 1)` each.
        """
        factor = scale.expand(self.shape).flatten()
        offset = shift.expand(self.shape).flatten()
        self.weight[:, : len(spread)] = basis * spread / factor[:, None]
        self.bias.copy_((mean - offset) / factor)

    def extra_repr(self) -> str:
        """The settings, as they are written."""
        return f"{self.count}, {'x'.join(map(str, self.shape))}"


@SYMBOLS.register("PC")
def components(inputs: Shape, n: Count) -> nn.Module:
    """The training images' first n principal components, kept for the next J; the image passes."""
    return Components(inputs, n)


@SYMBOLS.register("PC'")
def image_of_components(inputs: Shape, n: Count, shape: Sizes) -> nn.Module:
    """The image that the last n values give as principal components; a linear layer adds the rest.

    Written `PC'(n, image)` at the head of a decoder, behind an encoder `PC(n) > ... > J`.
    """
    if len(inputs) != 1:
        raise ValueError("it needs flat values; F flattens an image")
    return ImageOfComponents(inputs[0], n, shape)

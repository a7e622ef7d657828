"""The modules that torch doesn't have, and what goes along with the features through them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wye.batch import Shard

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "none": nn.Identity,
    "relu": nn.ReLU,
    "leaky": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "clamp": lambda: nn.Hardtanh(0.0, 1.0),
}


@dataclass
class Route:
    """Beside the features: what later layers may need of where they come from.

    Attributes:
        size: height and width of the images that came in.
        side: what the last `Y` kept for the next `J`, `(N, C, H, W)`.
    """

    size: tuple[int, ...]
    side: Tensor | None = None

    def branch(self, first: int | None = None) -> Route:
        """A copy for one branch, so that the other doesn't see what this one keeps.

        Args:
            first: the number of images that the branch is shown; all of them if None.
        """
        if first is None or self.side is None:
            return replace(self)
        return replace(self, side=self.side[:first])


class Routed(nn.Module):
    """Base of the layers that read or write the route: called as `layer(features, route)`."""


def apply(layer: nn.Module, inputs: Tensor, route: Route) -> Tensor:
    """A layer's output, with the route handed to those that ask for it."""
    outputs: Tensor = layer(inputs, route) if isinstance(layer, Routed) else layer(inputs)
    return outputs


class Sharded(nn.Module):
    """Base of the layers that must know which shard of a batch they see.

    `shard` is set by the training loop where several processes compute with one batch.
    """

    shard: Shard | None = None


class Dropout(Sharded):
    """Dropout that draws from a generator of its own instead of torch's global one.

    `generator` is set by the training loop from the run's noise stream, so that a resumed run
    drops the same units as one that was never interrupted.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p
        self.generator: torch.Generator | None = None

    def forward(self, inputs: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return inputs
        keep = 1.0 - self.p
        whole = torch.empty_like(inputs) if self.shard is None else self.shard.whole_like(inputs)
        mask = whole.bernoulli_(keep, generator=self.generator)
        if self.shard is not None:
            mask = self.shard.take(mask)
        return inputs * mask.div_(keep)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class Scale(nn.Module):
    """Multiplication by a constant."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs * self.factor


class TransposedConvolution(nn.ConvTranspose2d):
    """A transposed convolution, on a CPU as a matrix product where that is the same.

    Where the stride is the kernel's size, each position makes a patch of its own: a product with
    the filters, laid out side by side. Its gradients took about two thirds of the time that they
    take by way of convolutions, and less for many channels (fp32, two cores with AVX2). With
    kernels of one pixel the convolution is quicker.
    """

    @property
    def patches_apart(self) -> bool:
        """Whether each position of the input makes a patch that no other one touches."""
        return (
            self.stride == self.kernel_size != (1, 1)
            and not any((*self.padding, *self.output_padding))
            and self.dilation == (1, 1)
            and self.groups == 1
        )

    def forward(self, inputs: Tensor, output_size: list[int] | None = None) -> Tensor:
        if inputs.device.type != "cpu" or output_size is not None or not self.patches_apart:
            return super().forward(inputs, output_size)
        (count, channels, height, width), (high, wide) = inputs.shape, self.kernel_size
        filters = self.weight.permute(2, 3, 1, 0).reshape(-1, channels)
        bias = None if self.bias is None else self.bias.repeat(high * wide)
        patches = F.linear(inputs.permute(0, 2, 3, 1), filters, bias)
        patches = patches.view(count, height, width, high, wide, -1).transpose(2, 3)
        image = patches.reshape(count, height * high, width * wide, -1)
        return image.permute(0, 3, 1, 2)


class Residual(nn.Module):
    """The features plus what `path` makes of them, times a learned number that begins at 0.

    So a deep network begins as the identity, whatever the initial weights (ReZero, Bachlechner et
    al., 2020, arXiv 2003.04887).
    """

    def __init__(self, path: nn.Module) -> None:
        super().__init__()
        self.gate = nn.Parameter(torch.zeros(()))
        self.path = path

    def forward(self, inputs: Tensor) -> Tensor:
        change: Tensor = self.gate * self.path(inputs)
        return inputs + change


class First(nn.Module):
    """The first `count` values or channels of `(N, C, ...)`."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs[:, : self.count]

    def extra_repr(self) -> str:
        """The setting, as it is written."""
        return str(self.count)


class GlobalPool(nn.Module):
    """`(N, C, H, W)` to `(N, C)` by the mean or the maximum over positions, `(N, 2C)` by both."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, inputs: Tensor) -> Tensor:
        if self.kind == "both":
            return torch.cat([inputs.amax((2, 3)), inputs.mean((2, 3))], 1)
        return inputs.mean((2, 3)) if self.kind == "avg" else inputs.amax((2, 3))


class SidePath(Routed):
    """Keeps what `path` makes of the features for the next `Join`; the features pass unchanged."""

    def __init__(self, path: nn.Module) -> None:
        super().__init__()
        self.path = path

    def forward(self, inputs: Tensor, route: Route) -> Tensor:
        route.side = self.path(inputs)
        return inputs


class Join(Routed):
    """The features and, behind them on the channels, what the last side path kept.

    The side path's features are brought to the size of the others by adaptive average pooling; to
    one value a channel where the others are flat.
    """

    def forward(self, inputs: Tensor, route: Route) -> Tensor:
        if route.side is None:
            raise ValueError("no Y before it keeps anything to join")
        side, route.side = route.side, None
        pooled = (
            side.mean((2, 3))
            if inputs.ndim == 2
            else F.adaptive_avg_pool2d(side, (inputs.shape[-2], inputs.shape[-1]))
        )
        return torch.cat([inputs, pooled.to(inputs.dtype)], 1)


class UpsampleToImage(Routed):
    """Nearest-neighbour upsampling to the size of the image that the encoder was given."""

    def forward(self, inputs: Tensor, route: Route) -> Tensor:
        return F.interpolate(inputs, route.size)


def bind_dropout(network: nn.Module, generator: torch.Generator) -> None:
    """Let every dropout of the network draw from `generator`."""
    for module in network.modules():
        if isinstance(module, Dropout):
            module.generator = generator


def set_shard(network: nn.Module, shard: Shard) -> None:
    """Let the layers that must know it have the shard of the batch that comes next."""
    for module in network.modules():
        if isinstance(module, Sharded):
            module.shard = shard

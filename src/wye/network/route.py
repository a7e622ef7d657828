"""What goes along with the features on their way through a network's parts."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor, nn


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

"""What a network is made of: shapes, parameters and multiply-adds, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from wye.network.build import Network
from wye.network.layers import Route, apply
from wye.network.stack import PROBE, Stack


@dataclass(frozen=True)
class LayerDescription:
    """One layer for one image: what it is, what it gives, what it costs."""

    part: str
    index: int
    symbol: str
    shape: tuple[int, ...]
    parameters: int
    multiply_adds: int


@dataclass(frozen=True)
class Description:
    """A network layer by layer; the counts are for one image."""

    layers: tuple[LayerDescription, ...]
    trainable: int

    def parameters(self) -> dict[str, int]:
        """Counts per part, in all, and of those that training changes."""
        counts: dict[str, int] = {}
        for layer in self.layers:
            counts[layer.part] = counts.get(layer.part, 0) + layer.parameters
        return {**counts, "total": sum(counts.values()), "trainable": self.trainable}

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of one forward pass of one image through every part."""
        return sum(layer.multiply_adds for layer in self.layers)


def describe(network: Network) -> Description:
    """Shapes, parameters and multiply-adds of every layer.

    Multiply-adds are those of convolutions and matrix products, counted by torch's own counter.
    """
    route = Route(network.inputs[1:])
    layers: list[LayerDescription] = []
    for name, part in network.parts.items():
        # The encoder comes first, and both branches see what it left on the route.
        layers += _describe_stack(name, part, route if name == "encoder" else route.branch())
    return Description(tuple(layers), count_parameters(network, trainable=True))


def count_parameters(module: nn.Module, trainable: bool = False) -> int:
    """The number of parameters, or only of those that require a gradient."""
    return sum(
        parameter.numel()
        for parameter in module.parameters()
        if parameter.requires_grad or not trainable
    )


def _describe_stack(name: str, stack: Stack, route: Route) -> list[LayerDescription]:
    described = []
    with torch.device("meta"):
        probe = Stack(stack.text, stack.shapes[0], route).eval()
    for index, (call, layer) in enumerate(zip(stack.calls, stack.layers, strict=True)):
        with torch.device("meta"), FlopCounterMode(display=False) as counter:
            apply(probe.layers[index], torch.empty((PROBE, *stack.shapes[index])), route)
        described.append(
            LayerDescription(
                part=name,
                index=index,
                symbol=str(call.item),
                shape=stack.shapes[index + 1],
                parameters=count_parameters(layer),
                multiply_adds=counter.get_total_flops() // (2 * PROBE),
            )
        )
    return described

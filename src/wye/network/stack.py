"""A line of notation as a module: the layers in order, with the shapes between them."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor, nn

# Imported for their symbols.
from wye.network import backbones, components, symbols_layout  # noqa: F401
from wye.network.layers import Route, apply
from wye.network.symbols import SYMBOLS, Shape
from wye.notation import Call, NotationError

# More than this cannot be trained on one machine; without the limit a slip of the finger such as
# L(60000) > L(60000) would end in the operating system's out-of-memory killer.
MOST_PARAMETERS = 4_000_000_000

# Images in a probe of shapes; what a part leaves on the route for others is of as many.
PROBE = 2

# Numbers that go into a layer that is probed on the CPU, and its parameters: some milliseconds.
MOST_PROBED = 2**18
MOST_PROBED_PARAMETERS = 2**24


class Stack(nn.Module):
    """The layers of one line.

    Attributes:
        text: the line.
        calls: the bound symbols, one per layer.
        shapes: the shape before the first layer and after each, without the batch.
        route: sizes of what the parts before and this one leave for later layers, on the meta
            device.

    Args:
        text: the line.
        inputs: shape of what comes in.
        route: that of the part before; of an image of shape `inputs` if not given.
    """

    def __init__(self, text: str, inputs: Shape, route: Route | None = None) -> None:
        super().__init__()
        self.text = text
        self.calls: list[Call[nn.Module]] = SYMBOLS.read(text)
        self.shapes: list[Shape] = [inputs]
        self.route = route.branch() if route else _start(inputs)
        layers = []
        total = 0
        for call in self.calls:
            shape, parameters = _probe(call, self.shapes[-1], self.route)
            total += parameters
            if total > MOST_PARAMETERS:
                raise call.error(f"the network would have more than {total:.1e} parameters")
            layers.append(call(self.shapes[-1]))
            self.shapes.append(shape)
        self.layers = nn.ModuleList(layers)

    @property
    def outputs(self) -> Shape:
        """The shape of one output."""
        return self.shapes[-1]

    def forward(self, inputs: Tensor, route: Route | None = None) -> Tensor:
        """The features after the last layer; `route` is that of the parts before, if there are."""
        route = route or _start(tuple(inputs.shape[1:]))
        for layer in self.layers:
            inputs = apply(layer, inputs, route)
        return inputs

    def error(self, problem: str) -> NotationError:
        """An error that points at the last symbol of the line."""
        return self.calls[-1].error(problem)


def _start(shape: Shape) -> Route:
    return Route((shape[-2], shape[-1])) if len(shape) > 1 else Route((1, 1))


def _probe(call: Call[nn.Module], inputs: Shape, route: Route) -> tuple[Shape, int]:
    """Output shape and parameter count of a layer that is never trained.

    Its parameters are counted on the meta device, without memory. What comes out of it is found
    on the CPU where that takes no time: torch's shape functions for the meta device load a
    computer algebra system, half a second at each start of the command.
    """
    try:
        with torch.device("meta"):
            layer = call(inputs)
        parameters = sum(parameter.numel() for parameter in layer.parameters())
        small = PROBE * math.prod(inputs) <= MOST_PROBED and parameters <= MOST_PROBED_PARAMETERS
        device = "cpu" if small else "meta"
        # Sizes of what is left for later layers stay on the meta device.
        there = route if route.side is None else replace(route, side=_moved(route.side, device))
        # Random numbers drawn here must not move the stream of the layers that are trained.
        with torch.device(device), torch.no_grad(), torch.random.fork_rng(devices=[]):
            layer = call(inputs).eval() if device == "cpu" else layer
            outputs = apply(layer, torch.zeros((PROBE, *inputs)), there)
        route.side = None if there.side is None else _moved(there.side, "meta")
    except (RuntimeError, ValueError, OverflowError) as error:
        reason = str(error).splitlines()[0]
        raise call.error(
            f"{call.item} cannot follow here, where the shape is "
            f"{'x'.join(map(str, inputs))}: {reason}"
        ) from None
    shape = tuple(outputs.shape[1:])
    if math.prod(shape) == 0:
        raise call.error(f"{call.item} leaves nothing of {'x'.join(map(str, inputs))}")
    return shape, parameters


def _moved(side: Tensor, device: str) -> Tensor:
    return torch.zeros(side.shape, device=device)

"""Which layers of a network can begin as those of another."""

from __future__ import annotations

from torch import nn

from wye.network.build import Network


def fitting(network: Network, other: Network, same_classes: bool) -> tuple[str, ...]:
    """The layers of a network that another has too, as `layers_of` understands them.

    Of each part those from the first on that have the same symbol and sizes in both; of decoder and
    classifier only if the encoder fits whole, as they would else be given another code; of a
    classifier for other classes those before its last layer with weights.
    """
    found = []
    for name, part in network.parts.items():
        if (theirs := other.parts.get(name)) is None:
            continue
        count = 0
        for call, layer, call_there, layer_there in zip(
            part.calls, part.layers, theirs.calls, theirs.layers, strict=False
        ):
            if call.symbol.name != call_there.symbol.name or _sizes(layer) != _sizes(layer_there):
                break
            count += 1
        whole = count == len(part.layers) == len(theirs.layers)
        if name == "classifier" and not same_classes:
            count = min(count, max(at for at, each in enumerate(part.layers) if _sizes(each)))
        if any(map(_sizes, part.layers[:count])):
            found.append(name if count == len(part.layers) else f"{name}[0:{count}]")
        if name == "encoder" and not whole:
            break
    return tuple(found)


def _sizes(layer: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in layer.state_dict().items()}

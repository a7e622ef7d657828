"""Layers of a network by what a recipe calls them: `encoder`, `encoder[3]`, `encoder[0:3]`."""

from __future__ import annotations

import re

from torch import nn

from wye.errors import UsageError
from wye.network.build import Network

_TARGET = re.compile(r"(?P<part>\w+)(\[(?P<first>\d*)(?P<to>:(?P<last>\d*))?\])?")


def layers_of(network: Network, target: str, where: str) -> list[nn.Module]:
    """The layers that `target` names: of a whole part, or some of one, counted from 0.

    Args:
        network: where to look.
        target: `encoder`, `encoder[3]`, `encoder[0:3]`, `classifier[2:]`; layers are counted as the
            line has them, the last not included.
        where: the setting that holds it, for messages.

    Raises:
        UsageError: a part or layer that the network doesn't have.
    """
    match = _TARGET.fullmatch(target.replace(" ", ""))
    if match is None or match["part"] not in network.parts:
        raise UsageError(
            f"{where}: {target!r} is not a part of this network; parts: {', '.join(network.parts)},"
            " layers of one: encoder[0:3]"
        )
    layers = list(network.parts[match["part"]].layers)
    if match["first"] is None:
        return layers
    if match["to"]:
        first, last = int(match["first"] or 0), int(match["last"] or len(layers))
        chosen = layers[first:last]
    elif match["first"]:
        chosen = layers[int(match["first"]) :][:1]
    else:
        chosen = []
    if not chosen or (match["last"] and int(match["last"]) > len(layers)):
        raise UsageError(
            f"{where}: {target!r} names no layer; {match['part']} has layers 0 to {len(layers) - 1}"
        )
    return chosen

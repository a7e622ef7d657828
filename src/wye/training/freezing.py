"""Holding parts or layers of a network while the rest learns."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from wye.network.build import Network
from wye.network.choose import layers_of


def freeze(network: Network, targets: Iterable[str]) -> list[nn.Module]:
    """Let exactly the layers that `targets` name keep their weights; all others learn.

    Args:
        network: its parameters' `requires_grad` is set.
        targets: what `wye.network.choose.layers_of` understands.

    Returns:
        The frozen layers. Their batch normalisation must stay in inference mode in training, see
        `hold_statistics`; dropout stays active (as Keras has it, study S1).

    Raises:
        UsageError: a part or layer that the network doesn't have.
    """
    network.requires_grad_(True)
    frozen = [layer for target in targets for layer in layers_of(network, target, "freeze")]
    for layer in frozen:
        layer.requires_grad_(False)
    return frozen


def hold_statistics(frozen: Iterable[nn.Module]) -> None:
    """Put the batch normalisation of frozen layers into inference mode."""
    for layer in frozen:
        for module in layer.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.eval()

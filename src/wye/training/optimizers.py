"""Optimisers by name, with the parameters and the rates of a phase."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn

from wye.network.backbones import Backbone
from wye.network.build import Network
from wye.recipe.schema import TrainSettings
from wye.training.eager import eager
from wye.training.muon import MuonBesideAdamW

Optimizer = torch.optim.Optimizer | MuonBesideAdamW
"""Its parameter groups have their rate `lr`, and `scale` where the scheduled one is scaled."""


def build_optimizer(network: Network, settings: TrainSettings) -> Optimizer:
    """The optimiser of a phase over the parameters of `network` that require a gradient."""
    filters: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            is_filter = parameter.ndim == 4 and not name.startswith("decoder.")
            (filters if is_filter else others).append(parameter)
    scales: Mapping[nn.Parameter, float] = {}
    if settings.first_lr is not None:
        scales = _rising(network, settings.first_lr / settings.lr)
    elif settings.encoder_lr is not None:
        scales = dict.fromkeys(network.encoder.parameters(), settings.encoder_lr / settings.lr)
    lr, momentum, betas = settings.lr, settings.momentum, (0.9, settings.beta2)
    if settings.optimizer == "muon":
        dtype = torch.bfloat16 if settings.precision == "bf16" else torch.float32
        groups = _groups(others, settings, scales)
        return MuonBesideAdamW(filters, groups, lr, momentum, settings.others_lr, dtype)
    groups = _groups([*filters, *others], settings, scales)
    eps = settings.eps or 1e-8
    match settings.optimizer:
        case "sgd":
            return eager(torch.optim.SGD)(
                groups, lr=lr, momentum=momentum, nesterov=settings.nesterov, fused=True
            )
        case "adam":
            return eager(torch.optim.Adam)(groups, lr=lr, betas=betas, eps=eps, fused=True)
        case "adamw":
            return eager(torch.optim.AdamW)(groups, lr=lr, betas=betas, eps=eps, fused=True)
        case "adagrad":
            # Fused Adagrad exists on the CPU only.
            on_cpu = groups[0]["params"][0].device.type == "cpu"
            return eager(torch.optim.Adagrad)(
                groups, lr=lr, eps=settings.eps or 1e-10, fused=on_cpu
            )
        case "rmsprop":
            # Keras's decay, which study S1 trained with; PyTorch's own default is 0.99.
            return eager(torch.optim.RMSprop)(groups, lr=lr, alpha=0.9, eps=eps, momentum=momentum)


def _groups(
    parameters: Iterable[nn.Parameter],
    settings: TrainSettings,
    scales: Mapping[nn.Parameter, float],
) -> list[dict[str, Any]]:
    """Parameter groups with their weight decay and, where rates differ, their `scale`."""
    found: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for parameter in parameters:
        spared = not settings.decay_norms and parameter.ndim <= 1
        found.setdefault((scales.get(parameter, 1.0), spared), []).append(parameter)
    groups: list[dict[str, Any]] = []
    for scale, spared in sorted(found):
        decay = 0.0 if spared else settings.weight_decay
        group = {"params": found[scale, spared], "weight_decay": decay}
        groups.append({**group, "scale": scale} if scales else group)
    return groups


def _rising(network: Network, first: float) -> dict[nn.Parameter, float]:
    """Fractions of the rate, rising evenly in the logarithm from `first` to 1 over the groups.

    Each layer of the encoder is a group, and of a backbone each block, with or without weights, as
    fastai splits a network. What follows the last backbone, the decoder and the classifier are the
    last group.
    """
    layers = list(network.encoder.layers)
    pretrained = [index for index, layer in enumerate(layers) if isinstance(layer, Backbone)]
    end = pretrained[-1] + 1 if pretrained else len(layers)
    groups: list[list[nn.Module]] = []
    for layer in layers[:end]:
        groups += [[block] for block in layer.blocks] if isinstance(layer, Backbone) else [[layer]]
    branches = [part for name, part in network.parts.items() if name != "encoder"]
    groups.append([*layers[end:], *branches])
    return {
        parameter: first ** (1 - index / (len(groups) - 1))
        for index, group in enumerate(groups)
        for layer in group
        for parameter in layer.parameters()
    }

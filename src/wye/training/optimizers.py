"""Optimisers by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import nn

from wye.network.backbones import Backbone
from wye.network.build import Network
from wye.recipe.schema import TrainSettings
from wye.registry import Registry
from wye.training.muon import MuonBesideAdamW


class Optimizer(Protocol):
    """What the loop asks of an optimiser; torch's own have it."""

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Groups with their rate `lr`, and `scale` where the scheduled rate is to be scaled."""

    def step(self) -> Any:
        """One update."""

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients."""

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state."""


Groups = list[dict[str, Any]]


@dataclass(frozen=True)
class Trained:
    """The parameters that a phase may change.

    Attributes:
        filters: convolutions of the encoder and the classifier.
        others: the rest.
        scales: share of the scheduled rate that a parameter learns at; those not named, all of it.
    """

    filters: list[nn.Parameter]
    others: list[nn.Parameter]
    scales: Mapping[nn.Parameter, float] = field(default_factory=dict)

    def groups(self, settings: TrainSettings, without_filters: bool = False) -> Groups:
        """Parameter groups with their weight decay and, where rates differ, their `scale`."""
        found: dict[tuple[float, bool], list[nn.Parameter]] = {}
        for parameter in self.others if without_filters else [*self.filters, *self.others]:
            spared = not settings.decay_norms and parameter.ndim <= 1
            found.setdefault((self.scales.get(parameter, 1.0), spared), []).append(parameter)
        groups: Groups = []
        for scale, spared in sorted(found):
            group: dict[str, Any] = {"params": found[scale, spared]}
            group["weight_decay"] = 0.0 if spared else settings.weight_decay
            if self.scales:
                group["scale"] = scale
            groups.append(group)
        return groups


OPTIMIZERS: Registry[Callable[[Trained, TrainSettings], Optimizer]] = Registry("optimiser")


def build_optimizer(network: Network, settings: TrainSettings) -> Optimizer:
    """The optimiser of a phase over the parameters of `network` that require a gradient."""
    filters: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            is_filter = parameter.ndim == 4 and not name.startswith("decoder.")
            (filters if is_filter else others).append(parameter)
    scales: dict[nn.Parameter, float] = {}
    if settings.first_lr is not None:
        scales = _scales(network, settings.first_lr / settings.lr)
    elif settings.encoder_lr is not None:
        scales = dict.fromkeys(network.encoder.parameters(), settings.encoder_lr / settings.lr)
    return OPTIMIZERS.find(settings.optimizer)(Trained(filters, others, scales), settings)


def layer_groups(network: Network) -> list[list[nn.Module]]:
    """The layers in the groups that discriminative rates tell apart, in forward order.

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
    return [*groups, [*layers[end:], *branches]]


def _scales(network: Network, first: float) -> dict[nn.Parameter, float]:
    """Shares of the rate, rising evenly in the logarithm from `first` to 1 over the groups."""
    groups = layer_groups(network)
    return {
        parameter: first ** (1 - index / (len(groups) - 1))
        for index, group in enumerate(groups)
        for layer in group
        for parameter in layer.parameters()
    }


@OPTIMIZERS.register("sgd")
def _sgd(trained: Trained, settings: TrainSettings) -> Optimizer:
    return torch.optim.SGD(
        trained.groups(settings),
        lr=settings.lr,
        momentum=settings.momentum,
        nesterov=settings.nesterov,
        fused=True,
    )


def _adaptive(settings: TrainSettings) -> dict[str, Any]:
    betas = (0.9, settings.beta2)
    return {"lr": settings.lr, "betas": betas, "eps": settings.eps or 1e-8}


@OPTIMIZERS.register("adam")
def _adam(trained: Trained, settings: TrainSettings) -> Optimizer:
    return torch.optim.Adam(trained.groups(settings), fused=True, **_adaptive(settings))


@OPTIMIZERS.register("adamw")
def _adamw(trained: Trained, settings: TrainSettings) -> Optimizer:
    return torch.optim.AdamW(trained.groups(settings), fused=True, **_adaptive(settings))


@OPTIMIZERS.register("adagrad")
def _adagrad(trained: Trained, settings: TrainSettings) -> Optimizer:
    groups = trained.groups(settings)
    # Fused Adagrad exists on the CPU only.
    on_cpu = groups[0]["params"][0].device.type == "cpu"
    return torch.optim.Adagrad(groups, lr=settings.lr, eps=settings.eps or 1e-10, fused=on_cpu)


@OPTIMIZERS.register("rmsprop")
def _rmsprop(trained: Trained, settings: TrainSettings) -> Optimizer:
    groups = trained.groups(settings)
    # Keras's decay, which study S1 trained with; PyTorch's own default is 0.99.
    return torch.optim.RMSprop(
        groups,
        lr=settings.lr,
        alpha=0.9,
        eps=settings.eps or 1e-8,
        momentum=settings.momentum,
    )


@OPTIMIZERS.register("muon")
def _muon(trained: Trained, settings: TrainSettings) -> Optimizer:
    return MuonBesideAdamW(
        list(trained.filters),
        trained.groups(settings, without_filters=True),
        lr=settings.lr,
        momentum=settings.momentum,
        others_lr=settings.others_lr,
        dtype=torch.bfloat16 if settings.precision == "bf16" else torch.float32,
    )

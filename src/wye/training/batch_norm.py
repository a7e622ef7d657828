"""Batch normalisation: over a batch that several processes share, and in passes of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from wye.network.layers import Sharded
from wye.training.ranks import added_up


class _Synchronised(Sharded, nn.modules.batchnorm._BatchNorm):
    """In training, the statistics are those of the whole batch.

    torch's SyncBatchNorm does the same on CUDA devices alone.
    """

    def forward(self, inputs: Tensor) -> Tensor:
        shard = self.shard
        if not self.training or shard is None:
            return super().forward(inputs)
        self._check_input_dim(inputs)  # type: ignore[no-untyped-call]
        values = inputs.float()
        over = [0, *range(2, inputs.ndim)]
        variance, mean = torch.var_mean(values, over, correction=0)
        # One exchange: each process puts its values into its own line of a table of zeros.
        table = values.new_zeros(shard.ranks, 2, inputs.shape[1])
        table[shard.rank] = torch.stack([mean, variance])
        table = _AddedUp.apply(table)  # type: ignore[no-untyped-call]
        means, variances = table.unbind(1)
        fractions = table.new_tensor(shard.fractions(len(inputs))).unsqueeze(1)
        mean = (fractions * means).sum(0)
        variance = (fractions * (variances + (means - mean).square())).sum(0)
        if self.track_running_stats:
            self._remember(mean.detach(), variance.detach(), inputs)
        scale = (variance + self.eps).rsqrt()
        if self.affine:
            scale = scale * self.weight
        shape = (1, -1, *(1 for _ in over[1:]))
        outputs: Tensor = (values - mean.view(shape)) * scale.view(shape)
        if self.affine:
            outputs = outputs + self.bias.view(shape)
        return outputs.to(inputs.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, inputs: Tensor) -> None:
        assert self.shard is not None and self.num_batches_tracked is not None
        assert self.running_mean is not None and self.running_var is not None
        self.num_batches_tracked += 1
        rate = self.momentum
        if rate is None:
            rate = 1 / float(self.num_batches_tracked)
        count = self.shard.whole(len(inputs)) * inputs[0, 0].numel()
        self.running_mean.lerp_(mean, rate)
        self.running_var.lerp_(variance * (count / (count - 1)), rate)


class _Synchronised1d(_Synchronised, nn.BatchNorm1d):
    pass


class _Synchronised2d(_Synchronised, nn.BatchNorm2d):
    pass


def synchronise(network: nn.Module) -> None:
    """Let every batch normalisation of the network see the batches of all processes.

    The modules stay the same objects, with their weights and their names.
    """
    for module in network.modules():
        if type(module) is nn.BatchNorm1d:
            module.__class__ = _Synchronised1d
        elif type(module) is nn.BatchNorm2d:
            module.__class__ = _Synchronised2d


@contextlib.contextmanager
def statistics_kept(network: nn.Module) -> Iterator[None]:
    """Leave the running statistics of every batch normalisation as they are.

    For passes over what the network isn't evaluated on: shuffled tiles, noisy views. In training
    they are normalised by their own batch as ever. Statistics of a mixture fit neither kind: with
    those of tiles and whole images a small network lost 10 points of accuracy on blurred images.
    """
    norm = nn.modules.batchnorm._BatchNorm
    norms = [module for module in network.modules() if isinstance(module, norm)]
    tracked = [each.track_running_stats for each in norms]
    for each in norms:
        each.track_running_stats = False
    try:
        yield
    finally:
        for each, before in zip(norms, tracked, strict=True):
            each.track_running_stats = before


class _AddedUp(torch.autograd.Function):
    """The sum over all processes; so is its gradient, for the loss is a sum over them too."""

    @staticmethod
    def forward(context: Any, values: Tensor) -> Tensor:
        return added_up(values.clone())

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        return added_up(gradient.clone())

"""Muon: momentum whose update of each filter bank is orthogonalised."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from wye.training.eager import eager

# Coefficients of the quintic Newton-Schulz iteration (Jordan, "Muon", 2024): they trade an exact
# orthogonalisation, which nobody needs, for a steep start, so that three steps do.
QUINTIC = (3.4445, -4.7750, 2.0315)
STEPS = 3


@torch.no_grad()
def orthogonalised(matrix: Tensor, dtype: torch.dtype, steps: int = STEPS) -> Tensor:
    """Roughly the orthogonal factor of `(rows, columns)`: singular values of about 0.7 to 1.2.

    Args:
        dtype: to compute in; bf16 is exact enough, and on a CPU without it very slow.
    """
    first, second, third = QUINTIC
    wide = matrix.shape[0] <= matrix.shape[1]
    x = matrix.to(dtype) if wide else matrix.to(dtype).T
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=second, alpha=third), x, beta=first)
    return x if wide else x.T


class Muon(torch.optim.Optimizer):
    """Nesterov momentum with orthogonalised updates, for filters `(n, C, k, k)`.

    Before each step a bank of filters is brought to a norm of root n, so that the rate alone
    says how far a step turns it (airbench94_muon). Suits filters that a batch normalisation
    follows, and no others. `dtype` is that of `orthogonalised`.
    """

    def __init__(self, params: Any, lr: float, momentum: float, dtype: torch.dtype) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})
        self._dtype = dtype

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One update of all filters."""
        for group in self.param_groups:
            for filters in group["params"]:
                if filters.grad is None:
                    continue
                state = self.state[filters]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(filters)
                state["momentum"].mul_(group["momentum"]).add_(filters.grad)
                update = filters.grad.add(state["momentum"], alpha=group["momentum"])
                filters.mul_(len(filters) ** 0.5 / filters.norm())
                turned = orthogonalised(update.reshape(len(update), -1), self._dtype)
                turned = turned.reshape(update.shape)
                filters.add_(turned.to(filters.dtype), alpha=-group["lr"])


class MuonBesideAdamW:
    """Muon for the filters, AdamW for the rest, as one optimiser.

    Args:
        filters: weights `(n, C, k, k)`.
        others: parameter groups of AdamW.
        lr, momentum: of Muon.
        others_lr: rate of AdamW; a schedule that scales `lr` scales it likewise.
        dtype: that Muon orthogonalises in.
    """

    def __init__(
        self,
        filters: Sequence[Tensor],
        others: list[dict[str, Any]],
        lr: float,
        momentum: float,
        others_lr: float,
        dtype: torch.dtype,
    ) -> None:
        self.members: list[torch.optim.Optimizer] = []
        if filters:
            self.members.append(eager(Muon)(list(filters), lr, momentum, dtype))
        if others:
            # A memory of 20 steps for the squares: whole trainings last some hundred steps.
            betas = (0.9, 0.95)
            self.members.append(
                eager(torch.optim.AdamW)(others, lr=others_lr, betas=betas, fused=True)
            )
            for group in self.members[-1].param_groups:
                group["scale"] = others_lr / lr

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The groups of both; `scale` in a group multiplies the scheduled rate."""
        return [group for member in self.members for group in member.param_groups]

    def step(self) -> None:
        """One update of all parameters."""
        for member in self.members:
            member.step()

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients."""
        for member in self.members:
            member.zero_grad(set_to_none=set_to_none)

    def state_dict(self) -> dict[str, Any]:
        """The states of both."""
        return {str(index): member.state_dict() for index, member in enumerate(self.members)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        for index, member in enumerate(self.members):
            member.load_state_dict(state[str(index)])

"""L2 (gamma, study S0): half the sum of squares of all parameters."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any

from wye.objective.term import Step, Term, register

if TYPE_CHECKING:
    from torch import Tensor, nn

    from wye.batch import Shard


@register
class L2(Term):
    """Half the sum of squares of all parameters, biases included."""

    name = "l2"
    weight = "gamma"
    meaning = "L2: half the sum of squares of all parameters."
    column = "l2"
    place = 3

    def compute(self, step: Step) -> Tensor:
        """Half the sum of squares."""
        return half_squares(step.parameters)

    def fraction(self, step: Step, shard: Shard) -> float | Tensor:
        """Every device has all parameters, so each adds its fraction of the one value."""
        return 1 / shard.ranks


def half_squares(parameters: Iterable[nn.Parameter]) -> Tensor:
    """Half the sum of squares of all parameters, whose gradient is the parameters themselves.

    Left to autograd it takes twice as long: a handful of operators for each parameter.
    """
    half: Tensor = _half_squares().apply(*parameters)
    return half


@cache
def _half_squares() -> Any:
    import torch
    from torch.nn.utils import get_total_norm

    class HalfSquares(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *parameters: Tensor) -> Tensor:
            ctx.save_for_backward(*parameters)
            return 0.5 * get_total_norm(parameters).square()

        @staticmethod
        def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:
            return tuple(gradient * parameter for parameter in ctx.saved_tensors)

    return HalfSquares

"""Reconstruction (beta): the error of the decoder's image."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from wye.objective.term import Step, Term, register

if TYPE_CHECKING:
    from torch import Tensor

FLAWLESS = 1e-6
"""Added to an image's squared error before its logarithm, which has no bound below."""


@register
class Reconstruction(Term):
    """Error of the reconstruction, `loss.error`."""

    name = "reconstruction"
    weight = "beta"
    meaning = "Reconstruction: `error`, mean over images, pixels and channels."
    column = "recon"
    place = 2
    needs = frozenset({"decoder"})
    always = True

    def compute(self, step: Step) -> Tensor:
        """The mean over images, pixels and channels."""
        assert step.reconstruction is not None
        return reconstruction_error(step.reconstruction, step.batch.targets, step.settings.error)


def reconstruction_error(reconstructed: Tensor, target: Tensor, error: str = "mse") -> Tensor:
    """Mean over images, pixels and channels of an error; both images are `(N, C, H, W)`.

    Args:
        reconstructed: within [0, 1] for bce.
        target: within [0, 1] for bce.
        error: `mse` squared, `mae` absolute, `bce` binary cross-entropy in nats, `log_mse` the
            logarithm of each image's squared error, which the mean PSNR falls with.
    """
    import torch.nn.functional as F

    errors: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        "mse": F.mse_loss,
        "mae": F.l1_loss,
        "bce": F.binary_cross_entropy,
        "log_mse": log_mse,
    }
    return errors[error](reconstructed.float(), target)


def log_mse(reconstructed: Tensor, target: Tensor) -> Tensor:
    """Mean over images of the natural logarithm of each one's mean squared error."""
    errors = (reconstructed - target).square().flatten(1).mean(1)
    return (errors + FLAWLESS).log().mean()

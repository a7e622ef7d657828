"""Feature (phi, study S4): what a pretrained network sees in images and their reconstructions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from wye.objective.term import Step, Term, register

if TYPE_CHECKING:
    from torch import Tensor


@register
class Feature(Term):
    """Difference of the features, and of their Gram matrices; see `feature_difference`."""

    name = "feature"
    weight = "phi"
    meaning = "Features: what a pretrained network sees in the image and in its reconstruction."
    column = "feat"
    place = 5
    needs = frozenset({"decoder", "features"})

    def compute(self, step: Step) -> Tensor:
        """The difference on the batch; only the reconstruction's features carry gradients."""
        import torch

        assert step.reconstruction is not None
        settings = step.settings.features
        with torch.no_grad():
            wanted = step.features(step.batch.targets)
        made = step.features(step.reconstruction)
        # Layers are met in the order of the network, whatever that of the settings.
        pairs = sorted(zip(settings.layers, settings.weights, strict=True))
        return feature_difference(made, wanted, [weight for _, weight in pairs], settings.gram)


def feature_difference(
    made: Sequence[Tensor], wanted: Sequence[Tensor], weights: Sequence[float], gram: float
) -> Tensor:
    """Difference of what a network sees in two batches of images.

    `sum_i w_i MSE(f_i) + w_i^2 gram MSE(G_i)` with the Gram matrices `G = F F' / (C H W)` of each
    image (Johnson et al. 2016, in the weighting of fastai's super-resolution).

    Args:
        made, wanted: features of the reconstructions and of the targets, each `(N, C, H, W)`.
        weights: one per layer.
        gram: weight of the Gram matrices.
    """
    import torch
    import torch.nn.functional as F

    total = made[0].new_zeros((), dtype=torch.float32)
    for ours, theirs, weight in zip(made, wanted, weights, strict=True):
        total = total + weight * F.mse_loss(ours.float(), theirs.float())
        if gram:
            style = F.mse_loss(gram_matrix(ours), gram_matrix(theirs))
            total = total + weight**2 * gram * style
    return total


def gram_matrix(features: Tensor) -> Tensor:
    """`(N, C, C)`: products of the channels of `(N, C, H, W)`, summed over positions / (C H W)."""
    channels = features.float().flatten(2)
    return channels @ channels.transpose(1, 2) / channels[0].numel()

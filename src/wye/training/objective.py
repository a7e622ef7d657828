"""The objective: a weighted sum of named terms."""

from __future__ import annotations

import torch
from torch import Tensor

from wye.network.build import Network, Output
from wye.recipe.schema import LossSettings
from wye.training import terms

WEIGHTS = {"classification": "alpha", "reconstruction": "beta", "l2": "gamma"}


class Objective:
    """`alpha * classification + beta * reconstruction + gamma * l2`.

    A term of weight zero is still reported where the network has the part for it, but leaves no
    gradient: with beta=0 the decoder runs and doesn't learn.
    """

    def __init__(self, settings: LossSettings) -> None:
        self.weights: dict[str, float] = {
            term: getattr(settings, key) for term, key in WEIGHTS.items()
        }
        self.label_smoothing = settings.label_smoothing

    def __call__(
        self, network: Network, output: Output, targets: Tensor, labels: Tensor
    ) -> dict[str, Tensor]:
        """The named terms and, as `loss`, their weighted sum; all are scalars.

        Args:
            network: for the terms over parameters.
            output: what the network gave for the batch.
            targets: `(N, C, H, W)`, what the decoder should have given.
            labels: `(N,)`.
        """
        named: dict[str, Tensor] = {}
        if output.logits is not None:
            named["classification"] = terms.classification(
                output.logits, labels, self.label_smoothing
            )
        if output.reconstruction is not None:
            named["reconstruction"] = terms.reconstruction(output.reconstruction, targets)
        if self.weights["l2"]:
            named["l2"] = terms.l2(network.parameters())
        weighted = [self.weights[name] * term for name, term in named.items() if self.weights[name]]
        total = torch.stack(weighted).sum()
        return {"loss": total, **named}

    def run(self, network: Network, inputs: Tensor) -> Output:
        """The network's output, keeping a branch out of the graph if its weight is zero."""
        latent = network.encoder(inputs)
        outputs: dict[str, Tensor | None] = {}
        for branch, term in (("classifier", "classification"), ("decoder", "reconstruction")):
            part = getattr(network, branch)
            if part is None:
                outputs[branch] = None
            elif self.weights[term]:
                outputs[branch] = part(latent)
            else:
                with torch.no_grad():
                    outputs[branch] = part(latent)
        return Output(outputs["classifier"], outputs["decoder"], latent)

"""The objective: a weighted sum of named terms."""

from __future__ import annotations

import torch
from torch import Tensor

from wye.data.batches import Batch
from wye.data.parts import Part
from wye.network.build import Network, Output
from wye.recipe.schema import LossSettings
from wye.training import terms
from wye.training.features import FeatureTerm
from wye.training.precision import multiplying_in

WEIGHTS = {
    "classification": "alpha",
    "reconstruction": "beta",
    "l2": "gamma",
    "jigsaw": "delta",
    "feature": "phi",
}
LEARNT_BY = {"classifier": ("classification",), "decoder": ("reconstruction", "feature")}
"""The terms through which each branch learns from what it makes of the images."""


class Objective:
    """`alpha classification + beta reconstruction + gamma l2 + delta jigsaw + phi feature`.

    Classification and reconstruction are reported at weight zero too where the network has the part
    for them, but leave no gradient: with beta=0 the decoder runs and doesn't learn. The other terms
    are computed only where they weigh something.

    Args:
        settings: the weights, and what some terms need besides.
        class_weights: `(K,)`, what each class weighs in the classification.
        features: the feature term, needed where phi is above 0.
        precision: `fp32` or `bf16`, of the passes through the networks; the terms are in fp32.
    """

    def __init__(
        self,
        settings: LossSettings,
        class_weights: Tensor | None = None,
        features: FeatureTerm | None = None,
        precision: str = "fp32",
    ) -> None:
        self.settings = settings
        self.weights: dict[str, float] = {
            term: getattr(settings, key) for term, key in WEIGHTS.items()
        }
        self.class_weights = class_weights
        self.features = features
        self.precision = precision
        self.still = [
            branch for branch, terms in LEARNT_BY.items() if not any(map(self.weights.get, terms))
        ]
        """Branches that learn nothing from the images."""

    def __call__(
        self,
        network: Network,
        batch: Batch,
        generator: torch.Generator,
        part: Part | None = None,
    ) -> tuple[dict[str, Tensor], Output]:
        """The named terms and, as `loss`, their weighted sum, all scalars; and the output.

        Args:
            network: what learns.
            batch: inputs, targets and labels.
            generator: orders the tiles of the jigsaw; on the device of the images.
            part: of the batch, to compute with; all terms then are what this part adds to those of
                the whole batch, and the output is of the part.
        """
        settings, device, whole = self.settings, batch.inputs.device, batch
        batch = whole if part is None else part.batch(whole)
        with multiplying_in(self.precision, device):
            output = network(batch.inputs, still=self.still, labelled=len(batch.labels))
        named: dict[str, Tensor] = {}
        if output.logits is not None:
            smoothing = settings.label_smoothing if network.training else 0.0
            named["classification"] = terms.classification(
                output.logits, batch.labels, smoothing, self.class_weights
            )
        if output.reconstruction is not None:
            named["reconstruction"] = terms.reconstruction(
                output.reconstruction, batch.targets, settings.error
            )
        if self.weights["l2"]:
            named["l2"] = terms.l2(network.parameters())
        if self.weights["jigsaw"]:
            tiles = terms.shuffled_tiles(whole.inputs, settings.jigsaw_grid, generator)
            tiles = tiles if part is None else part.take(tiles)
            # A pass of its own: autocast would hand on the weights of a decoder that is kept out of
            # the graph above, cast there without a gradient.
            with multiplying_in(self.precision, device):
                rebuilt = network(
                    tiles.contiguous(memory_format=torch.channels_last), branches=["decoder"]
                ).reconstruction
            named["jigsaw"] = terms.reconstruction(rebuilt, batch.targets)
        if self.weights["feature"]:
            assert self.features is not None and output.reconstruction is not None
            with multiplying_in(self.precision, device):
                made, wanted = self.features.pair(output.reconstruction, batch.targets)
            named["feature"] = self.features.compare(made, wanted)
        if part is not None:
            named = {n: term * self._share(n, part, batch, whole) for n, term in named.items()}
        weighted = [self.weights[name] * term for name, term in named.items() if self.weights[name]]
        return {"loss": torch.stack(weighted).sum(), **named}, output

    def _share(self, name: str, part: Part, own: Batch, whole: Batch) -> float | Tensor:
        """What a term of a part of a batch weighs in that of the whole batch."""
        if name == "l2":
            return 1 / part.ranks
        if name != "classification":
            return part.share(len(own.inputs))
        if self.class_weights is None or part.repeated:
            return part.share(len(own.labels))
        return self.class_weights[own.labels].sum() / self.class_weights[whole.labels].sum()

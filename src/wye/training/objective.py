"""The objective: a weighted sum of the terms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from wye.data.batches import Batch
from wye.data.parts import Part
from wye.network.build import Network, Output
from wye.objective import TERMS, Step
from wye.recipe.schema import LossSettings
from wye.training.batch_norm import statistics_kept
from wye.training.features import FeatureNetwork
from wye.training.precision import multiplying_in

BRANCHES = ("classifier", "decoder")


class Objective:
    """The sum of the terms, each times its weight: `alpha classification + beta reconstruction + …`

    Classification and reconstruction are reported at weight zero too where the network has the part
    for them, but leave no gradient: with beta=0 the decoder runs and doesn't learn. The other terms
    are computed only where they weigh something.

    Args:
        settings: the weights, and what some terms need besides.
        class_weights: `(K,)`, what each class weighs in the classification.
        features: the frozen network of the feature term, needed where phi is above 0.
        precision: `fp32` or `bf16`, of the passes through the networks; the terms are in fp32.
    """

    def __init__(
        self,
        settings: LossSettings,
        class_weights: Tensor | None = None,
        features: FeatureNetwork | None = None,
        precision: str = "fp32",
    ) -> None:
        self.settings = settings
        self.weights = settings.weights()
        self.class_weights = class_weights
        self.features = features
        self.precision = precision
        self.no_grad = [branch for branch in BRANCHES if not self._learns(branch)]
        """Branches that learn nothing from what they make of the batch."""

    def _learns(self, branch: str) -> bool:
        return any(
            self.weights[term.name] and branch in term.needs and not term.own_pass
            for term in TERMS.values()
        )

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
            generator: source of what the terms draw; on the device of the images.
            part: of the batch, to compute with; all terms then are what this part adds to those of
                the whole batch, and the output is of the part.
        """
        own = batch if part is None else part.batch(batch)
        output = self._output(network, own)
        step = _Step(
            settings=self.settings,
            batch=own,
            logits=output.logits,
            reconstruction=output.reconstruction,
            class_weights=self.class_weights,
            training=network.training,
            parameters=network.parameters(),
            generator=generator,
            network=network,
            whole=batch,
            part=part,
            frozen=self.features,
            precision=self.precision,
        )
        named: dict[str, Tensor] = {}
        for name, term in TERMS.items():
            there = term.always and all(branch in network.parts for branch in term.needs)
            if self.weights[name] or there:
                value = term.compute(step)
                if part is not None:
                    value = value * term.fraction(part, own, batch, step)
                named[name] = value
        weighted = [self.weights[name] * term for name, term in named.items() if self.weights[name]]
        return {"loss": torch.stack(weighted).sum(), **named}, output

    def _output(self, network: Network, batch: Batch) -> Output:
        """What the network makes of the batch; in two passes where the decoder sees other inputs.

        Evaluation shows the network the classifier's inputs, so the running statistics are theirs.
        """
        labelled, device = len(batch.labels), batch.inputs.device
        if batch.noisy is None:
            with multiplying_in(self.precision, device):
                output: Output = network(batch.inputs, no_grad=self.no_grad, labelled=labelled)
            return output
        with multiplying_in(self.precision, device):
            clean = network(batch.inputs[:labelled], branches=["classifier"], no_grad=self.no_grad)
        with multiplying_in(self.precision, device), statistics_kept(network):
            noisy = network(batch.noisy, branches=["decoder"], no_grad=self.no_grad)
        return Output(clean.logits, noisy.reconstruction, clean.latent)


@dataclass
class _Step(Step):
    """A step of a network that learns, on this device's part of the batch."""

    network: Network
    whole: Batch
    part: Part | None
    frozen: FeatureNetwork | None
    precision: str

    def whole_inputs(self) -> Tensor:
        return self.whole.inputs

    def reconstruct(self, inputs: Tensor) -> Tensor:
        own = inputs if self.part is None else self.part.take(inputs)
        own = own.contiguous(memory_format=torch.channels_last)
        # A cast of its own: autocast would hand on the weights of a decoder that is kept out of the
        # graph in the pass before, cast there without a gradient.
        with multiplying_in(self.precision, own.device), statistics_kept(self.network):
            made: Tensor = self.network(own, branches=["decoder"]).reconstruction
        return made

    def features(self, images: Tensor) -> Sequence[Tensor]:
        assert self.frozen is not None
        with multiplying_in(self.precision, images.device):
            return self.frozen(images)

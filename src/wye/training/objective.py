"""The objective: a weighted sum of the terms, its gradients, and its values in validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from wye.batch import Batch, Shard
from wye.data.batches import evaluation_batch_size, evaluation_batches
from wye.data.images import Images
from wye.data.prepare import Prepared
from wye.errors import UsageError
from wye.network.build import Network, Output
from wye.network.layers import set_shard
from wye.objective import TERMS, Step
from wye.recipe.schema import LossSettings
from wye.registry import suggest
from wye.streams import Streams
from wye.training.batch_norm import statistics_kept
from wye.training.features import FeatureNetwork
from wye.training.precision import multiplying_in
from wye.training.ranks import Ranks
from wye.training.records import RunningMeans, correctly_classified

Terms = dict[str, Tensor]
"""The terms by name and, as `loss`, their weighted sum; all scalars."""


@dataclass(eq=False)
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

    Attributes:
        no_grad: branches that learn nothing from what they make of the batch.
    """

    settings: LossSettings
    class_weights: Tensor | None = None
    features: FeatureNetwork | None = None
    precision: str = "fp32"

    def __post_init__(self) -> None:
        self.weights = self.settings.weights()
        learning = {
            branch
            for term in TERMS.values()
            if self.weights[term.name] and not term.own_pass
            for branch in term.needs
        }
        self.no_grad = [b for b in ("classifier", "decoder") if b not in learning]

    def __call__(
        self,
        network: Network,
        batch: Batch,
        generator: torch.Generator,
        shard: Shard | None = None,
    ) -> tuple[Terms, Output]:
        """The terms of a batch, and what the network made of it.

        Args:
            generator: source of what the terms draw; on the device of the images.
            shard: of the batch, to compute with; all terms then are what it adds to those of the
                whole batch, and the output is of the shard.
        """
        own = batch if shard is None else shard.batch(batch)
        output = self._output(network, own)

        def reconstruct(inputs: Tensor) -> Tensor:
            seen = inputs if shard is None else shard.take(inputs)
            seen = seen.contiguous(memory_format=torch.channels_last)
            # A cast of its own: autocast would hand on the weights of a decoder that is kept out of
            # the graph in the pass before, cast there without a gradient.
            with multiplying_in(self.precision, seen.device), statistics_kept(network):
                made: Tensor = network(seen, branches=["decoder"]).reconstruction
            return made

        step = Step(
            settings=self.settings,
            batch=own,
            whole=batch,
            shard=shard,
            logits=output.logits,
            reconstruction=output.reconstruction,
            class_weights=self.class_weights,
            training=network.training,
            parameters=network.parameters(),
            generator=generator,
            reconstruct=reconstruct,
            features=self._seen,
        )
        named: Terms = {}
        for name, term in TERMS.items():
            there = term.always and all(branch in network.parts for branch in term.needs)
            if self.weights[name] or there:
                value = term.compute(step)
                named[name] = value if shard is None else value * term.fraction(step, shard)
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

    def _seen(self, images: Tensor) -> Sequence[Tensor]:
        assert self.features is not None
        with multiplying_in(self.precision, images.device):
            return self.features(images)


def leave_gradients(
    network: Network, objective: Objective, batch: Batch, noise: torch.Generator, ranks: Ranks
) -> tuple[Terms, Tensor | None]:
    """Leave the gradients of the objective on a batch in the network's parameters.

    Args:
        batch: of all processes together.
        noise: orders the tiles of the jigsaw.
        ranks: each computes with its shard, and all end with the same gradients.

    Returns:
        The terms, and how many images were correctly classified if any; of the whole batch.
    """
    shard = ranks.shard_of(batch)
    if shard is not None:
        set_shard(network, shard)
    terms, output = objective(network, batch, noise, shard)
    terms["loss"].backward()
    if shard is None:
        return terms, correctly_classified(output.logits, batch.labels)
    values = list(terms.values())
    correct = correctly_classified(output.logits, shard.take(batch.labels))
    if correct is not None:
        values.append(correct / shard.ranks if shard.repeated else correct)
    sums = ranks.add_up(network.parameters(), values)
    return dict(zip(terms, sums, strict=False)), None if correct is None else sums[-1]


@torch.inference_mode()
def validate(
    network: Network,
    objective: Objective,
    data: Prepared,
    images: Images,
    split: str,
    streams: Streams,
) -> dict[str, float]:
    """Mean terms and accuracy of `images`, in inference mode.

    Args:
        split: `validation` or `test`; names the stream of a corruption and of the jigsaw's orders,
            which are thus the same at every epoch.
    """
    network.eval()
    means = RunningMeans()
    noise = streams.generator("noise", "jigsaw", split, device=images.pixels.device)
    size = evaluation_batch_size(data.shape)
    for batch in evaluation_batches(data, images, size, streams, split):
        terms, output = objective(network, batch, noise)
        means.add(terms, correctly_classified(output.logits, batch.labels), batch)
    return means.values()


def class_weights(
    setting: str | Mapping[str, float], labels: Tensor, classes: Sequence[str], outputs: int
) -> Tensor | None:
    """What each class weighs in the cross-entropy, `(outputs,)`; None where all weigh the same.

    Args:
        setting: `loss.class_weights`: `none`, `balanced` or weights by class name. balanced is
            n / (K * count) as in scikit-learn, K being the number of classes.
        labels: `(N,)`, of the images that are trained on.
        classes: names of the classes.
        outputs: what the classifier gives; those beyond the classes weigh 1.

    Raises:
        UsageError: a name that is no class.
    """
    if setting == "none":
        return None
    weights = torch.ones(outputs)
    if isinstance(setting, Mapping):
        for name, weight in setting.items():
            if name not in classes:
                raise UsageError(f"loss.class_weights: no class {name!r}; {suggest(name, classes)}")
            weights[classes.index(name)] = weight
    else:
        counts = torch.bincount(labels.cpu(), minlength=len(classes))
        # A class without images is never met; any number would do.
        weights[: len(classes)] = len(labels) / (len(classes) * counts.clamp_min(1))
    return weights.to(labels.device)

"""Classification (alpha): cross-entropy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wye.objective.term import Step, Term, register

if TYPE_CHECKING:
    from torch import Tensor

    from wye.batch import Shard


@register
class Classification(Term):
    """Cross-entropy of the labelled images, in nats."""

    name = "classification"
    weight = "alpha"
    meaning = "Classification: cross-entropy, mean over images."
    column = "class"
    place = 1
    needs = frozenset({"classifier"})
    always = True

    def compute(self, step: Step) -> Tensor:
        """The mean over images; smoothed labels in training only."""
        assert step.logits is not None
        smoothing = step.settings.label_smoothing if step.training else 0.0
        return cross_entropy(step.logits, step.batch.labels, smoothing, step.class_weights)

    def fraction(self, step: Step, shard: Shard) -> float | Tensor:
        """The fraction of the labelled images, or of their weights."""
        weights, labels = step.class_weights, step.batch.labels
        if weights is None or shard.repeated:
            return shard.fraction(len(labels))
        return weights[labels].sum() / weights[step.whole.labels].sum()


def cross_entropy(
    logits: Tensor,
    labels: Tensor,
    label_smoothing: float = 0.0,
    class_weights: Tensor | None = None,
) -> Tensor:
    """Cross-entropy in nats, mean over images.

    Args:
        logits: `(N, K)`.
        labels: `(N,)`.
        label_smoothing: fraction of each label spread evenly over all classes.
        class_weights: `(K,)`; the mean is then weighted by the class of each image.
    """
    import torch.nn.functional as F

    return F.cross_entropy(
        logits.float(), labels, weight=class_weights, label_smoothing=label_smoothing
    )

"""What each class weighs in the cross-entropy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from wye.errors import UsageError
from wye.registry import suggest


def class_weights(
    setting: str | Mapping[str, float], labels: Tensor, classes: Sequence[str], outputs: int
) -> Tensor | None:
    """Weights `(outputs,)` on the device of `labels`, None where every class weighs the same.

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

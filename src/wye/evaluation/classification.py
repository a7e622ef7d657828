"""How well images are named: the confusion matrix and the figures that follow from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def confusion_matrix(labels: Tensor, predictions: Tensor, classes: int) -> Tensor:
    """How many images of each true class (row) were given each class (column).

    Args:
        labels: true classes, integers `(N,)`.
        predictions: predicted classes, integers `(N,)`.
        classes: the number of classes K.

    Returns:
        int64 `(K, K)` on the device of `labels`; the matrices of batches add up.

    Raises:
        ValueError: shapes that differ, or a class outside 0 ... K-1.
    """
    if labels.ndim != 1 or labels.shape != predictions.shape:
        raise ValueError(
            f"labels {tuple(labels.shape)} and predictions {tuple(predictions.shape)} "
            "must both be (N,)"
        )
    both = torch.stack([labels.long(), predictions.long()])
    if both.numel() and not 0 <= int(both.min()) <= int(both.max()) < classes:
        raise ValueError(f"classes must lie in 0 ... {classes - 1}")
    return torch.bincount(both[0] * classes + both[1], minlength=classes**2).view(classes, classes)


def without_spare(confusion: Tensor, class_names: Sequence[str]) -> tuple[Tensor, list[str]]:
    """The matrix without the outputs behind the classes (`network.outputs`) that no image got.

    A spare output that was given to an image stays, named by its number, so that the image counts
    as wrong.

    Args:
        confusion: `(K, K)` of all outputs.
        class_names: names of the first of them.

    Returns:
        The matrix of what is kept, and its names.
    """
    classes = len(class_names)
    used = [i for i in range(classes, len(confusion)) if bool(confusion[:, i].any())]
    kept = torch.tensor([*range(classes), *used])
    names = [*class_names, *(f"output {i + 1}" for i in used)]
    return confusion[kept][:, kept], names


def classification_report(confusion: Tensor, class_names: Sequence[str]) -> dict[str, Any]:
    """The figures of a confusion matrix, as fractions.

    A ratio without cases is 0. As in scikit-learn, balanced accuracy is the mean recall of the
    classes that occur in the truth, and macro-F1 the mean over the classes that occur in the
    truth or in the predictions.

    Args:
        confusion: int64 `(K, K)`, rows the truth.
        class_names: K names, all different.

    Returns:
        Plain numbers: `accuracy`, `balanced_accuracy`, `macro_f1`, `per_class` (for each name
        `precision`, `recall`, `f1` and the count `support`) and `confusion` as nested lists.

    Raises:
        ValueError: names that do not fit the matrix or repeat.
    """
    count = len(class_names)
    if confusion.shape != (count, count) or len(set(class_names)) != count:
        raise ValueError(
            f"{count} names, {len(set(class_names))} of them different, do not fit a matrix of "
            f"shape {tuple(confusion.shape)}"
        )
    confusion = confusion.cpu()
    right = confusion.diagonal()
    support, predicted = confusion.sum(1), confusion.sum(0)
    recall = _ratio(right, support)
    f1 = _ratio(2 * right, support + predicted)
    figures = zip(
        class_names,
        _ratio(right, predicted).tolist(),
        recall.tolist(),
        f1.tolist(),
        support.tolist(),
        strict=True,
    )
    return {
        "accuracy": float(_ratio(right.sum(), confusion.sum())),
        "balanced_accuracy": _mean(recall[support > 0]),
        "macro_f1": _mean(f1[support + predicted > 0]),
        "per_class": {
            name: dict(zip(("precision", "recall", "f1", "support"), values, strict=True))
            for name, *values in figures
        },
        "confusion": confusion.tolist(),
    }


def _ratio(part: Tensor, whole: Tensor) -> Tensor:
    return part.double() / whole.clamp_min(1)


def _mean(values: Tensor) -> float:
    return float(values.mean()) if len(values) else 0.0

"""The terms of the objective: pure functions of what the network said and what was true."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def classification(logits: Tensor, labels: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Cross-entropy in nats, mean over images (alpha).

    Args:
        logits: `(N, classes)`.
        labels: `(N,)`.
        label_smoothing: share of each label spread evenly over all classes.
    """
    return F.cross_entropy(logits.float(), labels, label_smoothing=label_smoothing)


def reconstruction(reconstructed: Tensor, target: Tensor) -> Tensor:
    """Squared error, mean over images, pixels and channels (beta); both `(N, C, H, W)`."""
    return F.mse_loss(reconstructed.float(), target)


def l2(parameters: Iterable[nn.Parameter]) -> Tensor:
    """Half the sum of squares of all parameters, biases included (gamma, study S0)."""
    return 0.5 * torch.stack([parameter.square().sum() for parameter in parameters]).sum()

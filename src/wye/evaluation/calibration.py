"""How far probabilities can be believed: expected calibration error, and a temperature for it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BINS = 15
Probabilities = NDArray[np.float32]


def calibration_error(probabilities: Probabilities, labels: NDArray[np.int64]) -> float:
    """Expected calibration error (ECE; Guo et al., 2017, arXiv 1706.04599).

    The mean over bins of equal width of |accuracy - confidence|, each weighted by its images, where
    the confidence is the probability of the predicted class.

    Args:
        probabilities: `(N, K)`.
        labels: the true classes `(N,)`.
    """
    confidence = probabilities.max(1).astype(np.float64)
    right = probabilities.argmax(1) == labels
    # Bins are closed above, as in the paper.
    bins = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    gaps = np.bincount(bins, right - confidence, minlength=BINS)
    return float(np.abs(gaps).sum() / len(labels))


def fit_temperature(probabilities: Probabilities, labels: NDArray[np.int64]) -> float:
    """The temperature between 1/20 and 20 at which the labels are most likely.

    Args:
        probabilities: `(N, K)` of images that the network did not learn from.
        labels: their true classes `(N,)`.
    """
    from scipy.optimize import minimize_scalar

    at = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        scaled = _scaled(probabilities, np.exp(log_temperature))
        return float(-np.log(np.maximum(scaled[at, labels], 1e-30)).mean())

    end = np.log(20.0)
    return float(np.exp(minimize_scalar(loss, bounds=(-end, end), method="bounded").x))


def with_temperature(probabilities: Probabilities, temperature: float) -> Probabilities:
    """The probabilities `(N, K)` of the logits divided by a temperature."""
    return _scaled(probabilities, temperature).astype(np.float32)


def _scaled(probabilities: Probabilities, temperature: float) -> NDArray[np.float64]:
    # Logarithms of probabilities are logits but for a constant, which softmax takes out.
    logits = np.log(np.maximum(probabilities.astype(np.float64), 1e-30)) / temperature
    powers = np.exp(logits - logits.max(1, keepdims=True))
    scaled: NDArray[np.float64] = powers / powers.sum(1, keepdims=True)
    return scaled

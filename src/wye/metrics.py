"""The metrics by name: how each is written, and what it means in one line."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Metric:
    """How one named number is shown.

    Attributes:
        name: key in `result.json` and in a recipe's `published`.
        meaning: one line for the glossary; empty for a name this version doesn't know.
        scale: what the stored value is multiplied with to be shown.
        difference_unit: unit of a difference of two shown values.
    """

    name: str
    label: str
    meaning: str = ""
    scale: float = 1.0
    decimals: int = 2
    unit: str = ""
    difference_unit: str = ""

    def show(self, value: float) -> str:
        """`value` in the metric's scale, without unit."""
        return number(value * self.scale, self.decimals)

    def show_difference(self, value: float) -> str:
        """A difference with its sign; one that rounds to nothing has none."""
        shown = number(value * self.scale, self.decimals)
        if not any(digit in shown for digit in "123456789"):
            return shown.removeprefix("−")
        return shown if value < 0 else f"+{shown}"


def number(value: float, decimals: int = 0) -> str:
    """A number as a reader expects it: grouped thousands and a true minus sign."""
    if not math.isfinite(value):
        return "not finite"
    return f"{value:,.{decimals}f}".replace("-", "−")


def _share(name: str, label: str, meaning: str) -> Metric:
    return Metric(name, label, meaning, scale=100, unit="%", difference_unit="points")


def _error(name: str, label: str, meaning: str) -> Metric:
    return Metric(name, label, meaning, decimals=6)


_ORDER = (
    _share("accuracy", "Accuracy", "Share of the test images that are named rightly."),
    _share(
        "balanced_accuracy",
        "Balanced accuracy",
        "Mean over the classes of the share named rightly, so that each class weighs the same.",
    ),
    _share(
        "macro_f1",
        "Macro F1",
        "Mean over the classes of F1, the harmonic mean of precision and recall.",
    ),
    _share(
        "judge_accuracy",
        "Judge accuracy",
        "Share of the reconstructions that a classifier trained apart on originals names rightly.",
    ),
    Metric(
        "psnr",
        "PSNR",
        "Peak signal-to-noise ratio of the reconstruction for pixels in [0, 1], mean over the test"
        " images; higher is closer.",
        unit="dB",
        difference_unit="dB",
    ),
    Metric(
        "psnr_pca",
        "PSNR of PCA",
        "What the best linear code of the same latent size reaches: a decoder that stays below it"
        " has learned nothing that is not linear.",
        unit="dB",
        difference_unit="dB",
    ),
    Metric(
        "ssim",
        "SSIM",
        "Structural similarity of original and reconstruction for data range 1; 1 is identity.",
        decimals=4,
    ),
    Metric(
        "ssim_range2",
        "SSIM, range 2",
        "SSIM as scikit-image 0.18 computed it by default, with a data range of 2: higher than it"
        " should be, and what study S1 printed.",
        decimals=4,
    ),
    Metric(
        "denoised_psnr",
        "PSNR, denoised",
        "PSNR of the reconstructions of corrupted test images (evaluation.corrupt) for the clean"
        " ones.",
        unit="dB",
        difference_unit="dB",
    ),
    Metric(
        "noisy_psnr",
        "PSNR, corrupted",
        "PSNR of the corrupted test images themselves: what denoised_psnr is without a network.",
        unit="dB",
        difference_unit="dB",
    ),
    _error("mse", "MSE", "Squared error of a pixel value in [0, 1], mean over all of them."),
    _error(
        "denoised_mse",
        "MSE, denoised",
        "Squared error of the reconstructions of corrupted test images for the clean ones.",
    ),
    _error("mae", "MAE", "Absolute error of a pixel value in [0, 1], mean over all of them."),
    Metric(
        "cross_entropy",
        "Cross-entropy",
        "Mean over the test images of the negative logarithm of the right class's probability.",
        decimals=4,
    ),
    Metric(
        "train_loss",
        "Training loss",
        "The objective on the training images in the last epoch.",
        decimals=5,
    ),
    Metric(
        "train_seconds",
        "Training time",
        "Seconds of training, without loading the data and without evaluation.",
        decimals=0,
        unit="s",
        difference_unit="s",
    ),
)
METRICS: Mapping[str, Metric] = {metric.name: metric for metric in _ORDER}


def metric(name: str) -> Metric:
    """The metric called `name`; an unknown one is shown as it is."""
    return METRICS.get(name) or Metric(name, name.replace("_", " "), decimals=4)


def ordered(names: Iterable[str]) -> list[str]:
    """Distinct `names`, the known ones first and in the order of the glossary."""
    known = list(METRICS)
    return sorted(set(names), key=lambda n: (known.index(n) if n in METRICS else len(known), n))


def figures(result: Mapping[str, Any]) -> dict[str, float]:
    """The metrics of one number in a `result.json`, by name.

    Those of the test part, and of training `train_loss` (the last epoch's) and `train_seconds`.
    """
    seconds, train = result.get("seconds") or {}, result.get("train") or {}
    found = {
        **(result.get("test") or {}),
        "train_loss": train.get("loss"),
        "train_seconds": seconds.get("train"),
    }
    return {name: float(found[name]) for name in METRICS if found.get(name) is not None}


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation of `n` measurements; no deviation where `n` is 1."""

    mean: float
    sd: float | None
    n: int


def spread(values: Iterable[float]) -> Spread | None:
    """Mean, deviation and number of `values`; None without any."""
    known = list(values)
    if not known:
        return None
    if not all(math.isfinite(value) for value in known):
        return Spread(math.nan, None, len(known))
    sd = statistics.stdev(known) if len(known) > 1 else None
    return Spread(statistics.fmean(known), sd, len(known))

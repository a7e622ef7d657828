"""The metrics of classification, of reconstruction and of training."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from wye.metrics.metric import Evaluated, Metric, register

Compute = Callable[[Evaluated], float | None]


def _of_report(name: str) -> Compute:
    return lambda of: None if of.report is None else float(of.report[name])


def _mean(part: str, name: str) -> Compute:
    def compute(of: Evaluated) -> float | None:
        values = getattr(of, part).get(name)
        return None if values is None else float(values.mean())

    return compute


def _rare_recall(of: Evaluated) -> float | None:
    if of.report is None or not of.rare:
        return None
    recalls = (float(of.report["per_class"][name]["recall"]) for name in of.rare)
    return sum(recalls) / len(of.rare)


CLASSIFIER, DECODER = frozenset({"classifier"}), frozenset({"decoder"})
CORRUPT = frozenset({"decoder", "corrupt"})
_fraction = partial(Metric, higher_is_better=True, scale=100, unit="%")

for _metric in (
    _fraction(
        name="accuracy",
        label="Accuracy",
        meaning="Fraction of the test images that are correctly classified.",
        compute=_of_report("accuracy"),
        needs=CLASSIFIER,
        headline=True,
        counts="images",
    ),
    _fraction(
        name="balanced_accuracy",
        label="Balanced accuracy",
        meaning="Mean recall of the classes, so that each class weighs the same.",
        compute=_of_report("balanced_accuracy"),
        needs=CLASSIFIER,
        counts="classes",
    ),
    _fraction(
        name="macro_f1",
        label="Macro F1",
        meaning="Mean over the classes of F1, the harmonic mean of precision and recall.",
        compute=_of_report("macro_f1"),
        needs=CLASSIFIER,
        counts="classes",
    ),
    _fraction(
        name="rare_recall",
        label="Recall of rare classes",
        meaning=(
            "Mean recall of the classes with fewer than three quarters of the largest class's"
            " training images."
        ),
        compute=_rare_recall,
        needs=frozenset({"classifier", "rare"}),
        counts="classes",
    ),
    _fraction(
        name="judge_accuracy",
        label="Judge accuracy",
        meaning=(
            "Fraction of the reconstructions that a classifier trained apart on originals"
            " correctly classifies."
        ),
        compute=lambda of: None if of.judged is None else float(of.judged.double().mean()),
        needs=frozenset({"judge"}),
        headline=True,
        counts="images",
    ),
    Metric(
        name="psnr",
        label="PSNR",
        meaning=(
            "Peak signal-to-noise ratio of the reconstruction for pixels in [0, 1], mean over the"
            " test images; higher is closer."
        ),
        higher_is_better=True,
        unit="dB",
        headline=True,
        compute=_mean("errors", "psnr"),
        needs=DECODER,
    ),
    Metric(
        name="psnr_pca",
        label="PSNR of PCA",
        meaning=(
            "What the best linear code of the same latent size reaches: a decoder that stays below"
            " it has learned nothing that is not linear."
        ),
        higher_is_better=True,
        unit="dB",
        needs=DECODER,
    ),
    Metric(
        name="ssim",
        label="SSIM",
        meaning=(
            "Structural similarity of original and reconstruction for data range 1; 1 is identity."
        ),
        higher_is_better=True,
        decimals=4,
        compute=_mean("errors", "ssim"),
        needs=DECODER,
    ),
    Metric(
        name="ssim_range2",
        label="SSIM, range 2",
        meaning=(
            "SSIM as scikit-image 0.18 computed it by default, with a data range of 2: higher than"
            " it should be, and what study S1 printed."
        ),
        higher_is_better=True,
        needs=frozenset({"decoder", "ssim_range2"}),
        decimals=4,
        compute=_mean("errors", "ssim_range2"),
    ),
    Metric(
        name="denoised_psnr",
        label="PSNR, denoised",
        meaning=(
            "PSNR of the reconstructions of corrupted test images (evaluation.corrupt) for the"
            " clean ones."
        ),
        higher_is_better=True,
        compute=_mean("denoised", "psnr"),
        needs=CORRUPT,
        unit="dB",
    ),
    Metric(
        name="noisy_psnr",
        label="PSNR, corrupted",
        meaning=(
            "PSNR of the corrupted test images themselves: what denoised_psnr is without a network."
        ),
        higher_is_better=True,
        compute=_mean("noisy", "psnr"),
        needs=CORRUPT,
        unit="dB",
    ),
    Metric(
        name="mse",
        label="MSE",
        meaning="Squared error of a pixel value in [0, 1], mean over all of them.",
        higher_is_better=False,
        decimals=6,
        compute=_mean("errors", "mse"),
        needs=DECODER,
    ),
    Metric(
        name="denoised_mse",
        label="MSE, denoised",
        meaning="Squared error of the reconstructions of corrupted test images for the clean ones.",
        higher_is_better=False,
        compute=_mean("denoised", "mse"),
        needs=CORRUPT,
        decimals=6,
    ),
    Metric(
        name="mae",
        label="MAE",
        meaning="Absolute error of a pixel value in [0, 1], mean over all of them.",
        higher_is_better=False,
        decimals=6,
        compute=_mean("errors", "mae"),
        needs=DECODER,
    ),
    Metric(
        name="cross_entropy",
        label="Cross-entropy",
        meaning=(
            "Mean over the test images of the negative logarithm of the true class's probability."
        ),
        higher_is_better=False,
        compute=lambda of: None if of.log_likelihood is None else -float(of.log_likelihood.mean()),
        needs=CLASSIFIER,
        decimals=4,
    ),
    Metric(
        name="train_loss",
        label="Training loss",
        meaning="The objective on the training images in the last epoch.",
        higher_is_better=False,
        decimals=5,
    ),
    Metric(
        name="train_seconds",
        label="Training time",
        meaning="Seconds of training, without loading the data and without evaluation.",
        higher_is_better=False,
        decimals=0,
        unit="s",
    ),
):
    register(_metric)

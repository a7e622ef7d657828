"""Measuring a trained network on a part of its data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from wye.data.batches import evaluation_batch_size, evaluation_batches
from wye.data.images import Images
from wye.data.prepare import Prepared
from wye.data.transforms import Transform
from wye.evaluation.classification import (
    classification_report,
    confusion_matrix,
    without_spare,
)
from wye.evaluation.pca import psnr_pca
from wye.evaluation.reconstruction import ReconstructionQuality
from wye.evaluation.views import ITSELF, Views
from wye.files import cache_folder
from wye.metrics import METRICS
from wye.network.build import Network
from wye.streams import Streams
from wye.training.precision import multiplying_in


@dataclass(frozen=True)
class Measurement:
    """What a part of the data says of a network.

    Attributes:
        figures: those of `result.json`.
        labels: int64 `(N,)` on the CPU, the images in their order; None without a classifier.
        predicted: the class that each was given, likewise.
        probabilities: `(N, outputs)`, likewise.
    """

    figures: dict[str, Any]
    labels: Tensor | None = None
    predicted: Tensor | None = None
    probabilities: Tensor | None = None


Judge = Callable[[Tensor], Tensor]
"""The class `(N,)` that a classifier gives images `(N, C, H, W)` in [0, 1]."""


@dataclass(frozen=True)
class Answer:
    """What a network says of a batch of images.

    Attributes:
        labels: `(N,)`.
        inputs: `(N, C, H, W)` in [0, 1]: what the network was shown.
        logits: `(N, classes)` in fp32, None without a classifier.
        originals: `(N, C, H, W)` in [0, 1]: what the decoder should have given.
        reconstructions: the same of what it gave, de-normalised and clamped; None without one.
    """

    labels: Tensor
    inputs: Tensor
    logits: Tensor | None
    originals: Tensor
    reconstructions: Tensor | None


@torch.inference_mode()
def answers(
    network: Network,
    data: Prepared,
    images: Images,
    part: str,
    streams: Streams,
    precision: str,
    views: Views = ITSELF,
    corrupt: Transform | None = None,
) -> Iterator[Answer]:
    """Run a network over images in order, in inference mode.

    Args:
        part: names the stream of a corruption.
        views: logits are the weighted mean of theirs.
        corrupt: of the inputs; as `data` has it if None.
    """
    network.eval()
    device = images.pixels.device
    size = evaluation_batch_size(data.shape)
    for batch in evaluation_batches(data, images, size, streams, part, corrupt):
        with multiplying_in(precision, device):
            output = network(batch.inputs)
            logits = output.logits
            if logits is not None:
                logits = views.mean(logits, batch.inputs, network.logits)
        originals = data.targets.undo(batch.targets)
        same = batch.inputs is batch.targets
        yield Answer(
            labels=batch.labels,
            inputs=originals if same else data.inputs.undo(batch.inputs),
            logits=logits,
            originals=originals,
            reconstructions=None
            if output.reconstruction is None
            else data.targets.undo(output.reconstruction),
        )


def measure(
    network: Network,
    data: Prepared,
    part: str,
    streams: Streams,
    precision: str,
    views: Views = ITSELF,
    judge: Judge | None = None,
    ssim_range2: bool = False,
    corrupt: Transform | None = None,
) -> Measurement:
    """The figures of `result.json` for one part of the data, and the class each image was given.

    Every registered metric that can be computed (`wye.metrics`); with a classifier also the report
    by class and the confusion matrix; for the test part also `psnr_pca`, the PSNR of the best
    linear code of the latent's size, where the latent is smaller than the image.

    Args:
        part: `test` or `validation`.
        judge: classifies the reconstructions, or the images where there is no decoder
            (`judge_accuracy`).
        ssim_range2: also report that form of SSIM.
        corrupt: reconstruct the images once more under this corruption, and compare with the clean
            ones (`denoised_psnr`, `denoised_mse`) what is made of them, and what was shown
            (`noisy_psnr`, what doing nothing would reach).
    """
    images = data.test if part == "test" else data.validation
    assert images is not None
    found = Gathered(len(images), ssim_range2, data.rare)
    for answer in answers(network, data, images, part, streams, precision, views):
        found.add(answer, judge)
    if corrupt is not None and network.decoder is not None:
        for answer in answers(network, data, images, part, streams, precision, corrupt=corrupt):
            found.add_corrupted(answer)
    found.close(data.classes)
    figures: dict[str, Any] = {"images": found.images, **(found.report or {})}
    for name, metric in METRICS.items():
        if metric.compute is not None and (value := metric.compute(found)) is not None:
            figures[name] = value
    if network.decoder is not None and part == "test" and data.view is None:
        optimum = psnr_pca(
            data.published_train,
            images.pixels.to("cpu"),
            network.latent_size,
            cache=cache_folder() / "pca",
        )
        if optimum is not None:
            figures["psnr_pca"] = optimum
    return Measurement(figures, found.labels, found.predicted, found.probabilities)


class Gathered:
    """See `wye.metrics.Evaluated`: gathered batch by batch, on the CPU."""

    def __init__(self, images: int, ssim_range2: bool = False, rare: tuple[str, ...] = ()) -> None:
        self.images = images
        self.rare = rare
        self.report: Mapping[str, Any] | None = None
        self.labels: Tensor | None = None
        self.predicted: Tensor | None = None
        self.probabilities: Tensor | None = None
        self.log_likelihood: Tensor | None = None
        self.judged: Tensor | None = None
        self.errors: Mapping[str, Tensor] = {}
        self.denoised: Mapping[str, Tensor] = {}
        self.noisy: Mapping[str, Tensor] = {}
        self._outputs = 0
        self._parts: dict[str, list[Tensor]] = {}
        self._quality = ReconstructionQuality(ssim_range2)
        self._denoised = ReconstructionQuality(errors_only=True)
        self._noisy = ReconstructionQuality(errors_only=True)

    def add(self, answer: Answer, judge: Judge | None) -> None:
        """Take in what the network made of a batch."""
        if answer.logits is not None:
            self._outputs = answer.logits.shape[1]
            entropy = F.cross_entropy(answer.logits, answer.labels, reduction="none")
            self._keep("labels", answer.labels)
            self._keep("predicted", answer.logits.argmax(1))
            self._keep("probabilities", answer.logits.softmax(1))
            self._keep("log_likelihood", -entropy.double())
        if answer.reconstructions is not None:
            self._quality.update(answer.originals, answer.reconstructions)
        if judge is not None:
            shown = answer.originals if answer.reconstructions is None else answer.reconstructions
            self._keep("judged", judge(shown) == answer.labels)

    def add_corrupted(self, answer: Answer) -> None:
        """Take in what the network made of a batch of corrupted images."""
        assert answer.reconstructions is not None
        self._denoised.update(answer.originals, answer.reconstructions)
        self._noisy.update(answer.originals, answer.inputs)

    def close(self, classes: Sequence[str]) -> None:
        """Put together what was taken in."""
        for name, parts in self._parts.items():
            setattr(self, name, torch.cat(parts))
        if self.labels is not None and self.predicted is not None:
            counts = confusion_matrix(self.labels, self.predicted, self._outputs)
            self.report = classification_report(*without_spare(counts, classes))
        self.errors = self._quality.of_each()
        self.denoised, self.noisy = self._denoised.of_each(), self._noisy.of_each()

    def _keep(self, name: str, values: Tensor) -> None:
        self._parts.setdefault(name, []).append(values.cpu())

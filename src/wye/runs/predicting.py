"""What a run makes of given images, one after the other: classes, anomalies, codes."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from wye.data.inspection import Unreadable
from wye.data.listing import Entry
from wye.errors import UsageError
from wye.runs.given import batches, say_faults
from wye.runs.model import Model
from wye.runs.run import Run

log = logging.getLogger("wye")

FEW = 100
"""Images below which there is no quantile of 0.99."""

Batches = Iterator[tuple[list[Entry], Tensor]]
Watch = Callable[[Batches, int], Iterable[tuple[list[Entry], Tensor]]]
"""Shows how far the batches of so many images are."""


def unwatched(found: Batches, count: int) -> Batches:
    """Show nothing."""
    return found


def predictions(
    model: Model, entries: Sequence[Entry], top: int | None = None, watch: Watch = unwatched
) -> Iterator[dict[str, Any]]:
    """`path`, `class`, `probability`, `anomaly` and `probabilities` of each image.

    `anomaly` is the quantile of its reconstruction error, see `Model.quantile`; None without a
    decoder. Files that cannot be read are said at the end.

    Args:
        top: the most probable classes alone in `probabilities`, the first first; all in the order
            of the classes if not given.

    Raises:
        UsageError: the run has no classifier, or none of the files can be read.
    """
    if top is not None and not 1 <= top <= len(model.classes):
        raise UsageError(f"--top {top}: the run has {len(model.classes)} classes")
    faults: list[Unreadable] = []
    compared = bool((model.reference or {}).get("errors"))
    for some, pixels in watch(batches(entries, model, faults), len(entries)):
        probabilities, errors = model.classify(pixels)
        anomalies: list[float | None] = [None] * len(some)
        if compared and errors is not None:
            anomalies = model.quantile(errors).tolist()
        for entry, row, anomaly in zip(some, probabilities, anomalies, strict=True):
            order = np.argsort(-row, kind="stable")
            shown = order[:top] if top is not None else range(len(row))
            yield {
                "path": entry.path,
                "class": model.classes[order[0]],
                "probability": float(row[order[0]]),
                "anomaly": anomaly,
                "probabilities": {model.classes[at]: float(row[at]) for at in shown},
            }
    say_faults(faults, entries)


@dataclass(frozen=True)
class Anomaly:
    """How unlike the training images an image is.

    Attributes:
        error: mean squared error of its reconstruction.
        quantile: the fraction of the run's validation images with an error no larger; None in a run
            that keeps none.
    """

    entry: Entry
    error: float
    quantile: float | None


def anomalies(model: Model, entries: Sequence[Entry], watch: Watch = unwatched) -> list[Anomaly]:
    """The images by their reconstruction error, the largest first.

    Raises:
        UsageError: the run has no decoder, or none of the files can be read.
    """
    faults: list[Unreadable] = []
    found: list[Anomaly] = []
    reference = model.reference or {}
    if not reference.get("errors"):
        log.warning("%s keeps no errors to compare with: the images are only ranked", model.name)
    elif reference["part"] == "train":
        log.warning(
            "no image was held out for validation: errors are compared with those of %d training"
            " images, which are smaller",
            reference["images"],
        )
    elif reference["images"] < FEW:
        log.warning(
            "errors are compared with those of %d validation images only: more of them"
            " (data.validation) make finer quantiles",
            reference["images"],
        )
    for some, pixels in watch(batches(entries, model, faults), len(entries)):
        errors = model.anomaly(pixels)
        quantiles: list[float | None] = [None] * len(some)
        if reference.get("errors"):
            quantiles = model.quantile(errors).tolist()
        found += map(Anomaly, some, errors.tolist(), quantiles)
    say_faults(faults, entries)
    return sorted(found, key=lambda each: -each.error)


@dataclass
class Codes:
    """Latent codes of images.

    Attributes:
        codes: `(N, K)`.
        entries: the images, of which class and part are '' where they are not known.
        predicted: the class that the run gives each; empty without a classifier.
        pixels: uint8 `(N, C, H, W)` of the images, where they were asked for.
    """

    codes: NDArray[np.float32]
    entries: list[Entry]
    predicted: list[str] = field(default_factory=list)
    pixels: NDArray[np.uint8] | None = None


def codes_of(
    run: Run,
    model: Model,
    entries: Sequence[Entry],
    pictures: bool = False,
    watch: Watch = unwatched,
) -> Codes:
    """The latent codes of images, see `Model.embed`; the run's own images have their part in it.

    Args:
        pictures: keep the pixels too.

    Raises:
        UsageError: none of the files can be read.
    """
    faults: list[Unreadable] = []
    kept: list[Entry] = []
    own = run.inspection
    parts = {} if own is None else {os.path.join(own.root, f.path): f.part for f in own.files}
    predicted: list[str] = []
    codes, shown = [], []
    for some, pixels in watch(batches(entries, model, faults), len(entries)):
        kept += [_in_run(entry, parts) for entry in some]
        codes.append(model.embed(pixels))
        if model.network.classifier is not None:
            predicted += model.predict(pixels, names=True).tolist()
        if pictures:
            shown.append(pixels.numpy())
    say_faults(faults, entries)
    unknown = sorted({entry.label for entry in kept if entry.label} - set(model.classes))
    if unknown:
        log.warning("%s has no class %s; the images keep it", run.path, ", ".join(unknown[:5]))
    return Codes(
        np.concatenate(codes), kept, predicted, np.concatenate(shown) if pictures else None
    )


def _in_run(entry: Entry, parts: Mapping[str, str]) -> Entry:
    part = parts.get(os.path.realpath(entry.path)) if parts else None
    return entry if part is None else replace(entry, part=part)

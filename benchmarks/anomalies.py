"""How well a run tells images of classes that it never saw from further ones of its own classes.

Of each data set one run learns the first five classes and one the last five. The test images of
each class that a run did not see are then held against those of the classes that it saw, by
reconstruction error and by how low the highest probability is.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import wye
from wye.data.catalog import DATASETS
from wye.data.sources import load

SETS = ("cifar10", "fashion-mnist")
NETWORKS: dict[str, dict[str, Any]] = {
    "wye/quick": {},
    "narrow": {
        "network": {
            "encoder": "C(16) > C(32) > L(64)",
            "decoder": "mirror",
            "classifier": "L(64) > L'(classes)",
        },
    },
}
"""The network of own images, whose code is larger than the image, and one with a code of 64."""
TRAINING = {"train": {"epochs": 5, "batch_size": 64}, "phases": []}
PER_CLASS, TESTED = 400, 300
"""Training images of each class, and test images of it that are looked at."""


class Line(NamedTuple):
    """The areas under the curve of one data set and network, a value per class."""

    data: str
    network: str
    accuracy: float
    error: list[float]
    probability: list[float]


def auroc(usual: NDArray[Any], odd: NDArray[Any]) -> float:
    """The probability that an odd image has a higher score than a usual one; ties count half."""
    known = np.sort(usual)
    below = np.searchsorted(known, odd, "left") + np.searchsorted(known, odd, "right")
    return float(below.mean() / (2 * len(known)))


def measured(data: str, network: str, per_class: int = PER_CLASS, **settings: Any) -> Line:
    """Train on either half of a data set's classes and score the test images of all of them."""
    names, test = DATASETS[data].classes, load(data).test
    error: list[float] = []
    probability: list[float] = []
    accuracies = []
    half = len(names) // 2
    for seen in (names[:half], names[half:]):
        with tempfile.TemporaryDirectory() as folder:
            run = wye.train(
                "wye/quick",
                out=Path(folder) / "run",
                data={"name": data, "classes": list(seen), "per_class": per_class},
                progress=False,
                **{**TRAINING, **NETWORKS[network], **settings},
            )
            model = wye.load(run)
            accuracies.append(run.figures["accuracy"])
        scores: dict[str, tuple[NDArray[Any], NDArray[Any]]] = {}
        for place, name in enumerate(names):
            pixels = test.pixels[:][test.labels == place][:TESTED]
            pixels = pixels.expand(-1, model.pixels[0], -1, -1)
            scores[name] = model.anomaly(pixels), -model.predict_proba(pixels).max(1)
        for lines, kind in ((error, 0), (probability, 1)):
            usual = np.concatenate([scores[name][kind] for name in seen])
            lines += [auroc(usual, scores[name][kind]) for name in names if name not in seen]
    return Line(data, network, float(np.mean(accuracies)), error, probability)


def section(lines: Iterable[Line]) -> str:
    """What was found, as a section of a page."""

    def cell(values: list[float]) -> str:
        return f"{np.mean(values):.2f} ({min(values):.2f} to {max(values):.2f})"

    rows = "".join(
        f"| {line.data} | {line.network} | {100 * line.accuracy:.0f} % | {cell(line.error)} |"
        f" {cell(line.probability)} |\n"
        for line in lines
    )
    epochs = TRAINING["train"]["epochs"]  # type: ignore[index]
    return f"""Of each data set one run learns the first five classes and one the last five
({PER_CLASS} images of each, {epochs} epochs, seed 0). The test images ({TESTED} of each class) of
every class that a run did not see are held against those of the five that it saw. The value is
the area under the ROC curve: the probability that an image of an unseen class gets the higher
score; 0.5 is guessing, and below it the unseen class looks the more usual one. Mean over the ten
classes, least and greatest in brackets; accuracy on the classes seen.

| data | network | accuracy | reconstruction error | low top probability |
|---|---|---|---|---|
{rows}
`wye/quick` is the network that own images get: its code has more values than the image, so that its
decoder can copy what it never saw. `narrow` has a code of {64} values
(`network.encoder="{NETWORKS["narrow"]["network"]["encoder"]}"`).
"""

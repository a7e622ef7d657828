"""The images that a network got wrong, the most confident mistakes first."""

from __future__ import annotations

import torch
from torch import Tensor

from wye.data.images import Images
from wye.evaluation.measure import Measurement
from wye.runs.examples import as_pixels
from wye.runs.pictures import Mistakes

WORST = 20
"""Mistakes that a run folder keeps and a report shows."""


def wrong(found: Measurement) -> tuple[Tensor, Tensor]:
    """Positions of the images that were given a wrong class and its probability, highest first.

    Both are `(N,)`; empty without a classifier.
    """
    if found.labels is None or found.predicted is None or found.probabilities is None:
        return torch.zeros(0, dtype=torch.int64), torch.zeros(0)
    places = (found.labels != found.predicted).nonzero().flatten()
    given = found.probabilities[places, found.predicted[places]]
    order = given.argsort(descending=True, stable=True)
    return places[order], given[order]


def worst(found: Measurement, images: Images, most: int = WORST) -> Mistakes | None:
    """The worst mistakes with their pictures; None where there are none.

    Args:
        images: those that were measured.
    """
    places, given = wrong(found)
    places, given = places[:most], given[:most]
    if not len(places) or found.labels is None or found.predicted is None:
        return None
    pixels = images.take(places.to(images.labels.device)).pixels[:].cpu()
    shown = pixels if pixels.dtype == torch.uint8 else as_pixels(pixels)
    return Mistakes(shown, places, found.labels[places], found.predicted[places], given)

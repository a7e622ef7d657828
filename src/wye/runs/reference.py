"""How a network does on images that it did not learn from: what others are compared with."""

from __future__ import annotations

from typing import Any

import numpy as np

from wye.data.images import Images
from wye.data.prepare import Prepared
from wye.data.storage import StoredPixels, taken
from wye.evaluation.calibration import fit_temperature
from wye.runs.model import Model

MOST = 2000
"""Images that are compared with."""
LEAST = 30
"""Validation images below which no temperature is fitted."""
KEPT = 1001
"""Errors that are kept: all, or so many quantiles."""


def reference_of(model: Model, data: Prepared) -> dict[str, Any]:
    """What `config.json` holds of it.

    Returns:
        `part` and number of `images` (those of training where none were held out); with a decoder
        their reconstruction `errors`, rising; with a classifier the `temperature` that calibrates
        its probabilities, if there are validation images enough.
    """
    part = "train" if data.validation is None else "validation"
    images: Images = data.train if data.validation is None else data.validation
    pixels, labels = taken(images.pixels, slice(MOST)), images.labels[:MOST].cpu().numpy()
    if not isinstance(pixels, StoredPixels) and pixels.is_floating_point():
        pixels = pixels.clamp(0, 1)  # noisy copies of training images leave the range
    found: dict[str, Any] = {"part": part, "images": len(pixels)}
    if model.network.decoder is not None:
        errors = model.anomaly(pixels)
        errors = np.sort(errors[np.isfinite(errors)])
        if len(errors) > KEPT:
            errors = np.quantile(errors, np.linspace(0, 1, KEPT))
        found["errors"] = [float(f"{error:.6g}") for error in errors]
    if model.network.classifier is not None and part == "validation" and len(labels) >= LEAST:
        probabilities = model.predict_proba(pixels)
        if np.isfinite(probabilities).all():
            found["temperature"] = fit_temperature(probabilities, labels)
    return found

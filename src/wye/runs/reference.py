"""How a network does on images that it did not learn from: what others are compared with."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np

from wye.data.images import Images
from wye.data.prepare import Prepared
from wye.data.storage import StoredPixels, taken
from wye.evaluation.calibration import fit_temperature
from wye.runs.model import Model
from wye.runs.trained import NoNumbersError

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
        its probabilities, if there are validation images enough. A network that diverged has none.
    """
    part = "train" if data.validation is None else "validation"
    images: Images = data.train if data.validation is None else data.validation
    pixels, labels = taken(images.pixels, slice(MOST)), images.labels[:MOST].cpu().numpy()
    if not isinstance(pixels, StoredPixels) and pixels.is_floating_point():
        pixels = pixels.clamp(0, 1)  # noisy copies of training images leave the range
    found: dict[str, Any] = {"part": part, "images": len(pixels)}
    if model.network.decoder is not None:
        with contextlib.suppress(NoNumbersError):
            errors = np.sort(model.anomaly(pixels))
            if len(errors) > KEPT:
                errors = np.quantile(errors, np.linspace(0, 1, KEPT))
            found["errors"] = [float(f"{error:.6g}") for error in errors]
    if model.network.classifier is not None and part == "validation" and len(labels) >= LEAST:
        with contextlib.suppress(NoNumbersError):
            found["temperature"] = fit_temperature(model.predict_proba(pixels), labels)
    return found

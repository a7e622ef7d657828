"""What the page shows: the answer to an image, and images to try."""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps

from wye.data.catalog import DATASETS
from wye.data.listing import Entry
from wye.data.opening import open_bounded
from wye.data.reading import READ_ERRORS, Reading, formats, open_image, to_rgb, why
from wye.data.sources import available
from wye.errors import UsageError, WyeError
from wye.plots.gallery import compared
from wye.report.gallery import columns
from wye.runs.examples import as_pixels, example_indices
from wye.runs.given import given, picture_at
from wye.runs.model import Model
from wye.runs.predicting import Codes, Watch, codes_of, unwatched
from wye.runs.run import Run

log = logging.getLogger("wye")

MOST_PIXELS = 50_000_000
"""Of an image that is decoded, JPEG files included."""
LARGE = 1e30
"""A bound of the values of codes that are decoded: single precision, squared, ends there."""
NEIGHBOURS, NEAREST = 500, 8
"""Images of the training part that an image is held against, and those that are shown."""
SIDE = 512
"""Of an image to try, at most."""


class Show:
    """Answers about images, one at a time however many threads ask.

    Args:
        model: of the run.
        examples: images to try, of which at most ten are kept.
        neighbours: images with their codes and pixels, of which the nearest are shown.
    """

    def __init__(
        self, model: Model, examples: Sequence[Entry] = (), neighbours: Codes | None = None
    ) -> None:
        self.model, self.neighbours = model, neighbours
        self._turn = threading.Lock()
        chosen = [examples[at] for at in example_indices(len(examples)).tolist()]
        self.examples = [(entry.label, self._png(entry)) for entry in chosen]

    def answer(self, content: bytes, pictures: bool = False) -> dict[str, Any]:
        """What the model makes of an image.

        Args:
            content: of the file.
            pictures: with what the network saw, the reconstruction and the absolute error, as data
                URIs of PNG files, and the `nearest` neighbours.

        Returns:
            `class`, `probability`, `probabilities` and `anomaly` as `wye predict` has them, `error`
            (mean squared error of the reconstruction) and the latent `code`; None in place of what
            the network has no branch for.

        Raises:
            UsageError: it is no image that can be read, or it has too many pixels.
        """
        model = self.model
        found: dict[str, Any] = dict.fromkeys(("class", "probability", "probabilities", "anomaly"))
        with self._turn:
            pixels = self._read(content)
            errors = None
            if model.network.classifier is not None:
                [row], errors = model.classify(pixels)
                named = zip(model.classes, row.tolist(), strict=True)
                found["probabilities"] = dict(named)
                found["class"] = model.classes[row.argmax()]
                found["probability"] = float(row.max())
            elif model.network.decoder is not None:
                errors = model.anomaly(pixels)
            if errors is not None and (model.reference or {}).get("errors"):
                found["anomaly"] = float(model.quantile(errors)[0])
            found["error"] = None if errors is None else float(errors[0])
            code = model.embed(pixels)[0]
            found["code"] = [float(f"{value:.6g}") for value in code.tolist()]
            if pictures:
                found["pictures"] = self._pictures(pixels)
        if pictures and self.neighbours is not None:
            found["nearest"] = self._nearest(code)
        return found

    def picture_of(self, code: Any) -> str:
        """What the decoder makes of a code, as the data URI of a PNG file.

        Args:
            code: as `answer` gives it.

        Raises:
            UsageError: it is no list of so many finite numbers, or there is no decoder.
        """
        size = self.model.latent_size
        numbers = isinstance(code, list) and all(type(value) in (int, float) for value in code)
        if not numbers or len(code) != size or not all(abs(value) < LARGE for value in code):
            raise UsageError(f"a code is a list of {size} numbers")
        with self._turn:
            made = self.model.decode(torch.tensor([code], dtype=torch.float32))
        return columns({"": as_pixels(torch.from_numpy(made)).numpy()})[0]

    def _pictures(self, pixels: torch.Tensor) -> dict[str, str]:
        seen = self.model.view(pixels, torch.Generator().manual_seed(0))
        shown = seen if seen.dtype == torch.uint8 else as_pixels(seen)
        if self.model.network.decoder is None:
            rows = {"original": shown.numpy()}
        else:
            made = as_pixels(torch.from_numpy(self.model.reconstruct(pixels)))
            rows = compared(shown, made)
        names = ("input", "reconstruction", "error")
        return {
            name: columns({"": row})[0] for name, row in zip(names, rows.values(), strict=False)
        }

    def _nearest(self, code: NDArray[np.float32]) -> list[dict[str, str]]:
        near = self.neighbours
        assert near is not None and near.pixels is not None
        order = np.square(near.codes - code).sum(1).argsort(kind="stable")[:NEAREST]
        pictures = columns({"": near.pixels[order]})
        labels = [near.entries[at].label for at in order]
        return [
            {"class": label, "picture": picture}
            for label, picture in zip(labels, pictures, strict=True)
        ]

    def _read(self, content: bytes) -> torch.Tensor:
        try:
            with open_bounded(io.BytesIO(content), formats()) as image:
                if image.width * image.height > MOST_PIXELS:
                    raise Image.DecompressionBombError
                return self.model.read(image)
        except Image.DecompressionBombError:
            most = MOST_PIXELS // 10**6
            raise UsageError(f"it has more than {most} million pixels, the most allowed") from None
        except READ_ERRORS as error:
            raise UsageError(f"it cannot be read as an image: {why(error)}") from error

    def _png(self, entry: Entry) -> bytes:
        with entry.open() as image:
            upright = to_rgb(ImageOps.exif_transpose(image), self.model.reading or Reading())
        upright.thumbnail((SIDE, SIDE))
        buffer = io.BytesIO()
        upright.save(buffer, "PNG")
        return buffer.getvalue()


def examples_of(run: Run, model: Model) -> list[Entry]:
    """The test images of a run, where they are here without a network; else those that it keeps."""
    if found := _own(run, "test"):
        return found
    try:
        pictures = run.examples()
    except WyeError:
        pictures = None
    if pictures is None or model.config["prepare"] or model.shape != model.pixels:
        log.warning("the run's test images are not here, and it keeps none: name images to try")
        return []
    shown = pictures.originals if pictures.inputs is None else pictures.inputs
    return [Entry("", "test", "", partial(picture_at, shown, at)) for at in range(len(shown))]


def neighbours_of(run: Run, model: Model, watch: Watch = unwatched) -> Codes | None:
    """Some images of the training part with their codes; None where they are not here."""
    found = _own(run, "train")
    step = max(1, len(found) // NEIGHBOURS)
    chosen = found[::step][:NEIGHBOURS]
    return codes_of(run, model, chosen, pictures=True, watch=watch) if chosen else None


def _own(run: Run, part: str) -> list[Entry]:
    """The images of a part, of those that can be had without a network."""
    data = run.recipe.data.name
    if run.inspection is not None:
        root = Path(run.inspection.root)
        found = [(root / file.path, file) for file in run.inspection.files if file.part == part]
        return [
            Entry(file.path, part, file.label, partial(open_image, path))
            for path, file in found
            if path.is_file()
        ]
    if data in DATASETS and available(data):
        return [entry for entry in given(data) if entry.part == part]
    return []

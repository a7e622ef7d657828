"""A map of images by their codes: a page that needs no script, or a picture."""

from __future__ import annotations

from collections import Counter
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from wye.errors import UsageError
from wye.evaluation.projection import Method, in_two
from wye.files import save_bytes
from wye.plots.map import colours, map_figure
from wye.plots.output import save
from wye.report.gallery import columns
from wye.report.site import environment
from wye.wording import legible

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wye.runs.predicting import Codes

RIM = 2.5
"""Per cent of the map that is left free at each side."""
OUTER = 0.01
"""Fraction of the points at each side that may lie far off, and are drawn at the rim."""
UNKNOWN = "no class"


def draw(found: Codes, out: Path, row: str, method: Method | None = None) -> None:
    """Draw images as points, coloured by class: the true one, or the predicted where none is known.

    Args:
        found: with pixels.
        out: a `.html` page that shows an image where the pointer is and holds all it needs, or a
            `.png` picture.

    Raises:
        UsageError: UMAP was asked for and is not installed, or there are fewer than two images.
        MachineError: the file cannot be written.
    """
    if len(found.entries) < 2:
        raise UsageError("a map needs two images or more")
    try:
        points, how = in_two(found.codes, method)
    except ImportError:
        raise UsageError(
            "--method umap needs umap-learn, which is not installed: pip install umap-learn"
        ) from None
    true = any(entry.label for entry in found.entries)
    known = [e.label for e in found.entries] if true else found.predicted
    labels = [name or UNKNOWN for name in known] or [UNKNOWN] * len(points)
    about = (
        f"{len(points):,} images, {how.upper()} of {found.codes.shape[1]:,} latent values;"
        f" {'true' if true else 'predicted'} classes"
    )
    if out.suffix.lower() == ".html":
        page = (
            environment()
            .get_template("map.html")
            .render(title=f"Map of {row}", about=about, **_content(found, points, labels))
        )
        save_bytes(out, legible(page).encode())
    else:
        save(map_figure(points, labels, about), out)


def _content(found: Codes, points: NDArray[Any], labels: list[str]) -> dict[str, Any]:
    names = sorted(set(labels))
    class_of = {name: at for at, name in enumerate(names)}
    counts = Counter(labels)
    places, outside = places_of(points)
    assert found.pixels is not None
    pictures = columns({"": found.pixels})
    shown = []
    for at, entry in enumerate(found.entries):
        name = PurePath(entry.path)
        predicted = found.predicted[at] if found.predicted else ""
        shown.append(
            {
                "x": f"{places[at, 0]:.1f}",
                "y": f"{100 - places[at, 1]:.1f}",
                "of": class_of[labels[at]],
                "path": entry.path,
                "name": name.name if name.suffix else entry.path,
                "label": entry.label,
                "predicted": predicted,
                "picture": pictures[at],
            }
        )
    return {
        "classes": list(zip(names, colours(len(names)), map(counts.get, names), strict=True)),
        "points": shown,
        "outside": outside,
    }


def places_of(points: NDArray[Any]) -> tuple[NDArray[Any], int]:
    """Points as percentages of the map's sides, and how many had to be brought to its rim.

    The map is laid out by where most of them are, or a few far ones would leave no room for these.
    """
    import numpy as np

    low, high = np.quantile(points, (OUTER, 1 - OUTER), axis=0)
    spare = 0.2 * (high - low)
    low, high = np.maximum(low - spare, points.min(0)), np.minimum(high + spare, points.max(0))
    outside = ((points < low) | (points > high)).any(1)
    unit = (points.clip(low, high) - low) / (high - low).clip(1e-12)
    return RIM + (100 - 2 * RIM) * unit, int(outside.sum())

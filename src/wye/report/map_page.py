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

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wye.runs.predicting import Codes

WIDE, HIGH, RIM = 780, 720, 20
LETTERS = 26
"""Of a name beside the picture; the whole one is shown where the pointer rests."""
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
        page = environment().get_template("map.html").render(
            title=f"Map of {row}", about=f"{about}. Point at one to see it.",
            **_content(found, points, labels),
        )  # fmt: skip
        save_bytes(out, page.encode())
    else:
        save(map_figure(points, labels, about), out)


def _content(found: Codes, points: NDArray[Any], labels: list[str]) -> dict[str, Any]:
    names = sorted(set(labels))
    colour_of = dict(zip(names, colours(len(names)), strict=True))
    counts = Counter(labels)
    low, high = points.min(0), points.max(0)
    span = (high - low).clip(1e-12)
    places = (points - low) / span * (WIDE - 2 * RIM, HIGH - 2 * RIM) + RIM
    assert found.pixels is not None
    pictures = columns({"": found.pixels})
    shown = []
    for at, entry in enumerate(found.entries):
        name = PurePath(entry.path).name
        lines = [f"class: {entry.label}"] if entry.label else []
        lines += [f"predicted: {found.predicted[at]}"] if found.predicted else []
        shown.append(
            {
                "x": f"{places[at, 0]:.1f}",
                "y": f"{HIGH - places[at, 1]:.1f}",
                "colour": colour_of[labels[at]],
                "name": entry.path,
                "short": name if len(name) <= LETTERS else f"…{name[1 - LETTERS :]}",
                "lines": lines,
                "picture": pictures[at],
            }
        )
    return {
        "classes": [(name, colour_of[name], counts[name]) for name in names],
        "points": shown,
    }

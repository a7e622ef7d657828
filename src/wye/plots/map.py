"""Images as points: near each other if their codes are alike."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from wye.plots.style import QUIET, drawing

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

TEN = (
    *("#4e79a7", "#f28e2b", "#e15759", "#76b7b2", "#59a14f"),
    *("#d4b13f", "#b07aa1", "#f58fa0", "#9c755f", "#8a8d91"),
)
MOST_NAMED = 30
"""Classes of a legend."""


def colours(count: int) -> list[str]:
    """So many colours, readable on a light and on a dark ground.

    Up to ten are Tableau's; more go around the circle, neighbours of another lightness.
    """
    if count <= len(TEN):
        return list(TEN[:count])
    found = (colorsys.hls_to_rgb(at / count, (0.42, 0.6)[at % 2], 0.6) for at in range(count))
    return ["#" + "".join(f"{round(255 * value):02x}" for value in rgb) for rgb in found]


def map_figure(points: NDArray[Any], labels: Sequence[str], about: str = "") -> Figure:
    """A scatter plot of points `(N, 2)`, coloured by label.

    Raises:
        UsageError: matplotlib is not installed.
    """
    import numpy as np

    names = sorted(set(labels))
    given = np.asarray(labels)
    with drawing():
        from matplotlib.figure import Figure

        figure = Figure((7, 5.5))
        axes = figure.add_subplot()
        axes.set_xticks([])
        axes.set_yticks([])
        for name, colour in zip(names, colours(len(names)), strict=True):
            some = points[given == name]
            axes.scatter(some[:, 0], some[:, 1], s=14, color=colour, alpha=0.75, label=f" {name}")
        if len(names) <= MOST_NAMED:
            axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
        axes.set_title(about, color=QUIET)
        figure.set_layout_engine("tight")
        figure.set_label(f"{len(points)} images as points, near each other if alike.")
    return figure

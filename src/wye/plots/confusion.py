"""A confusion matrix: how often images of each class were taken for each class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from wye.plots.style import (
    GROUND,
    INK,
    QUIET,
    RIGHT,
    SIZE,
    SMALL,
    WRONG,
    drawing,
    fitted,
    width_of,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COUNTED = 20
"""Up to so many classes each cell says its count."""
READABLE = 0.6
"""Opacity of a cell up to which text, dark on light or light on dark, can be read on it."""
_NAMED = 100
"""Of more classes than this only every second, third… is named."""
_LONGEST = 3.2
"""Room for a name, in inches: some 45 characters."""


def confusion_figure(confusion: Sequence[Sequence[int]], classes: Sequence[str]) -> Figure:
    """A confusion matrix: a row is a true class, a column a predicted one.

    Args:
        confusion: counts, `(K, K)`.
        classes: the K names.

    Returns:
        A figure that is as large as the names and counts need.

    Raises:
        ValueError: there is no class, or not as many names as rows and columns.
        UsageError: matplotlib is not installed.
    """
    count = len(classes)
    if not count or len(confusion) != count or any(len(row) != count for row in confusion):
        raise ValueError(
            f"{count} classes need a confusion matrix of {count} by {count}, at least 1"
        )
    every = -(-count // _NAMED)
    size = SIZE if count <= COUNTED else SMALL - 1
    names = [fitted(name, _LONGEST, size) for name in classes[::every]]
    widest = max(width_of(name, size) for name in names)
    digits = width_of(str(max(map(max, confusion))), SIZE)
    cell = max(0.36, digits + 0.06, 1.7 / count) if count <= COUNTED else 13.0 / max(count, _NAMED)
    upright = widest > cell - 0.08
    high = widest if upright else SIZE / 72
    side = count * cell
    left, top = widest + 0.42, high + 0.42
    below = 0.12 if count <= COUNTED else 0.42
    with drawing():
        import numpy as np
        from matplotlib.colors import to_rgb
        from matplotlib.figure import Figure

        width, height = left + side + 0.12, top + side + below
        figure = Figure((width, height))
        axes = figure.add_axes((left / width, below / height, side / width, side / height))
        pixels = np.zeros((count, count, 4))
        darkest = READABLE if count <= COUNTED else 1.0
        for true, counts in enumerate(confusion):
            for predicted, number in enumerate(counts):
                colour = to_rgb(RIGHT if true == predicted else WRONG)
                pixels[true, predicted] = *colour, shade(number, sum(counts), darkest)
        axes.imshow(pixels, interpolation="none", aspect="auto")
        if count <= COUNTED:
            for true, counts in enumerate(confusion):
                for predicted, number in enumerate(counts):
                    axes.text(predicted, true, str(number), ha="center", va="center", size=SIZE)
            between = np.arange(count - 1) + 0.5
            axes.hlines(between, -0.5, count - 0.5, color=GROUND, linewidth=1.5)
            axes.vlines(between, -0.5, count - 0.5, color=GROUND, linewidth=1.5)
        axes.tick_params(length=0, labelsize=size, labelcolor=INK)
        axes.xaxis.tick_top()
        axes.xaxis.set_label_position("top")
        ticks = range(0, count, every)
        axes.set_xticks(ticks, names, rotation=90 if upright else 0)
        axes.set_yticks(ticks, names)
        axes.set_xlabel("predicted class", loc="left", color=QUIET)
        axes.set_ylabel("true class", loc="top", color=QUIET)
        if count > COUNTED:
            _scale(figure, left, width, height)
        figure.set_label(_said(confusion, classes))
    return figure


def shade(count: float, total: float, darkest: float = READABLE) -> float:
    """Opacity of a cell: the root of its fraction of the row, so that rare errors are seen."""
    return darkest * float((count / total) ** 0.5) if total > 0 else 0.0


def _scale(figure: Figure, left: float, width: float, height: float) -> None:
    """What the shades mean, where no counts say it; below the matrix."""
    from matplotlib.patches import Rectangle

    at = left
    for fraction in (0.01, 0.1, 0.5, 1.0):
        for colour in (WRONG, RIGHT):
            box = (at / width, 0.12 / height), 0.14 / width, 0.14 / height
            alpha = shade(fraction, 1, darkest=1.0)
            figure.add_artist(Rectangle(*box, color=colour, alpha=alpha, linewidth=0))
            at += 0.14
        text = f"{fraction:.0%}" + (" of the true class; blue: correct" if fraction == 1 else "")
        figure.text((at + 0.06) / width, 0.19 / height, text, size=SMALL, va="center", color=QUIET)
        at += 0.5


def _said(confusion: Sequence[Sequence[int]], classes: Sequence[str]) -> str:
    """The matrix in words: how many are right, and the commonest error."""
    total = sum(map(sum, confusion))
    right = sum(confusion[at][at] for at in range(len(classes)))
    errors = [
        (count, -true, -predicted)
        for true, counts in enumerate(confusion)
        for predicted, count in enumerate(counts)
        if true != predicted and count
    ]
    text = f"Confusion matrix of {len(classes)} classes: {right} of {total} images correct"
    if not errors:
        return f"{text}."
    count, true, predicted = max(errors)
    common = f"{classes[-true]} taken for {classes[-predicted]}, {count} times"
    return f"{text}; the commonest error is {common}."

"""A legend below a figure's panels, within its width."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wye.plots.style import INK, fitted, width_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

_KEY = 0.55
"""Inches beside a name: its line and the space around."""


@dataclass(frozen=True)
class Legend:
    """What is named, in how many columns, and the inches that it takes."""

    handles: Sequence[Line2D]
    columns: int
    height: float

    def put_below(self, figure: Figure) -> None:
        """Write it at the foot of a figure, which has left room for it."""
        figure.legend(handles=self.handles, loc="lower left", ncols=self.columns, labelcolor=INK)


def legend_of(handles: Sequence[Line2D], width: float) -> Legend:
    """A legend of lines by their labels, in as many columns as `width` inches have room for.

    Labels are broken between words; a word that is wider than the figure loses its middle.
    """
    room = width - _KEY
    for handle in handles:
        lines = textwrap.wrap(
            str(handle.get_label()),
            max(int(room / width_of("x")), 1),
            break_long_words=False,
            break_on_hyphens=False,
        )
        handle.set_label("\n".join(fitted(line, room) for line in lines))
    texts = [str(handle.get_label()).splitlines() for handle in handles]
    widest = max(width_of(line) for lines in texts for line in lines) + _KEY
    columns = max(1, min(len(handles), int(width / widest)))
    rows = -(-len(handles) // columns)
    highest = sum(sorted(map(len, texts))[-rows:])
    return Legend(handles, columns, 0.12 + 0.17 * highest)

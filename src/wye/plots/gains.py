"""What each arm of an experiment gains over a base line, by the number of labels."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from wye.plots.style import GROUND, INK, MARKERS, SERIES, drawing, legend_of, quiet_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

_ACROSS = 3
_PANEL = (3.6, 2.6)
_DODGE = 0.05
"""How far the points of two arms stand apart, as a fraction of the axis."""


class Interval(Protocol):
    """A mean with the ends of its interval, None where there is none."""

    @property
    def mean(self) -> float: ...
    @property
    def low(self) -> float | None: ...
    @property
    def high(self) -> float | None: ...


Lines = Mapping[str, Mapping[int, Interval]]
"""Arm to number of labels to gain in points."""


def span(gains: Iterable[Interval]) -> tuple[float, float]:
    """Lowest and highest value of an axis that panels share: it holds 0 and every mean.

    Intervals as far as they reach, but no further from 0 than thrice the largest mean: two seeds
    can give one that would flatten everything else.
    """
    known = list(gains)
    most = 3 * max((abs(gain.mean) for gain in known), default=0.0) or 1.0
    ends = [0.0, *(gain.mean for gain in known)]
    ends += [
        max(-most, min(most, end)) for g in known for end in (g.low, g.high) if end is not None
    ]
    room = 0.04 * ((max(ends) - min(ends)) or 1.0)
    return min(ends) - room, max(ends) + room


def gains_figure(
    panels: Mapping[str, Lines],
    arms: Sequence[str],
    labels: Sequence[int],
    axis: tuple[float, float],
) -> Figure:
    """A panel for each condition: a line for each arm, with intervals.

    Args:
        panels: condition to its lines.
        arms: every arm; an arm's place gives its colour and its mark.
        labels: every number of labels per class: the horizontal axis, logarithmic.
        axis: lowest and highest gain, see `span`; an interval that goes beyond has no cap there.

    Raises:
        ValueError: there is no panel.
        UsageError: matplotlib is not installed.
    """
    if not panels:
        raise ValueError("no condition has a gain to draw")
    with drawing():
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine

        across = min(_ACROSS, len(panels))
        down = -(-len(panels) // across)
        measured = [arm for arm in arms if any(lines.get(arm) for lines in panels.values())]
        width, height = across * _PANEL[0], down * _PANEL[1]
        legend = legend_of(_handles(arms, measured), width) if measured else None
        below = legend.height if legend else 0.0
        room = (0, below / (height + below), 1, height / (height + below))
        figure = Figure((width, height + below), layout=ConstrainedLayoutEngine(rect=room))
        places = list(figure.subplots(down, across, squeeze=False, sharex=True, sharey=True).flat)
        for axes, (title, lines) in zip(places, panels.items(), strict=False):
            axes.set_title(title)
            _panel(axes, lines, arms, labels, axis)
        for axes in places[len(panels) :]:
            axes.remove()
        if legend:
            legend.put_below(figure)
        figure.set_label(" ".join(_said(*panel, arms) for panel in panels.items()))
    return figure


def signed(value: float) -> str:
    """A gain of one decimal with its sign, which stays where the rest rounds to nothing."""
    return f"{value:+.1f}".replace("-", "−") if value else "0.0"


def _panel(
    axes: Axes, lines: Lines, arms: Sequence[str], labels: Sequence[int], axis: tuple[float, float]
) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    low, high = math.log(min(labels)), math.log(max(labels))
    reach = (high - low) or 1.0
    quiet_axes(axes)
    axes.axhline(0, color=INK, linewidth=0.9)
    for place, arm in enumerate(arms):
        if not (gains := lines.get(arm)):
            continue
        aside = _DODGE * reach * (place - (len(arms) - 1) / 2) / max(len(arms) - 1, 1) * 2
        colour = SERIES[place % len(SERIES)]
        known = [(math.log(n) + aside, gains[n]) for n in sorted(gains)]
        for x, gain in known:
            if gain.low is None or gain.high is None:
                continue
            ends = [min(max(end, axis[0]), axis[1]) for end in (gain.low, gain.high)]
            axes.plot([x, x], ends, color=colour, linewidth=0.9, alpha=0.7)
            caps = [end for end in (gain.low, gain.high) if axis[0] <= end <= axis[1]]
            axes.plot([x] * len(caps), caps, "_", color=colour, markersize=4, alpha=0.7)
        means = [gain.mean for _, gain in known]
        axes.plot([x for x, _ in known], means, label=arm, **_look(place))
    axes.set_xlim(low - 0.12 * reach, high + 0.12 * reach)
    axes.set_xticks([math.log(n) for n in labels], [f"{n:,}" for n in labels])
    axes.set_ylim(*axis)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(_tick))
    axes.set_xlabel("labels per class, log scale")
    axes.set_ylabel("gain in points")
    axes.label_outer()


def _handles(arms: Sequence[str], measured: Sequence[str]) -> list[Line2D]:
    from matplotlib.lines import Line2D

    return [
        Line2D([], [], label=arm, **_look(place))
        for place, arm in enumerate(arms)
        if arm in measured
    ]


def _look(place: int) -> dict[str, Any]:
    """How the points of arm number `place` are drawn."""
    return {
        "color": SERIES[place % len(SERIES)],
        "marker": MARKERS[place % len(MARKERS)],
        "markersize": 5,
        "markeredgecolor": GROUND,
        "markeredgewidth": 0.6,
    }


def _tick(value: float, _position: int | None = None) -> str:
    return "0" if abs(value) < 1e-9 else f"{value:+.3g}".replace("-", "−")


def _said(title: str, lines: Lines, arms: Sequence[str]) -> str:
    """A panel in words."""
    words = "; ".join(
        f"{arm}: " + ", ".join(f"{signed(g.mean)} at {n}" for n, g in sorted(lines[arm].items()))
        for arm in arms
        if lines.get(arm)
    )
    return f"{title}: gain in points by labels per class. {words or 'Nothing measured'}."

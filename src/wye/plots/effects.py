"""What each arm gains over another: every pair, the mean and its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from wye.plots.style import GROUND, INK, QUIET, RULE, SERIES, drawing, number, quiet_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Effects = Mapping[str, tuple[Sequence[float], tuple[float, float] | None]]
"""Arm to the gains of its pairs and the interval of their mean, as fractions."""

_WIDTH, _LINE, _AROUND = 5.6, 0.42, 0.8
"""Inches: of the figure, of an arm, and above and below."""


def effects_figure(effects: Effects, margin: float) -> Figure:
    """A line for each arm, in points; the band is what counts as no difference.

    Args:
        margin: half the width of the band, as a fraction.

    Raises:
        ValueError: there is no effect.
        UsageError: matplotlib is not installed.
    """
    if not effects:
        raise ValueError("no arm has a pair to draw")
    with drawing():
        from matplotlib.figure import Figure
        from matplotlib.ticker import FuncFormatter, MaxNLocator

        figure = Figure((_WIDTH, _AROUND + _LINE * len(effects)), layout="constrained")
        axes = figure.subplots()
        quiet_axes(axes, "x")
        axes.axvspan(-100 * margin, 100 * margin, color=RULE, alpha=0.4, linewidth=0)
        axes.axvline(0, color=INK, linewidth=0.9)
        # An interval of few pairs may reach far: it is cut where it would flatten the rest.
        most = 100 * max([margin, *(abs(gain) for gains, _ in effects.values() for gain in gains)])
        for place, (gains, interval) in enumerate(effects.values()):
            points, colour = [100 * gain for gain in gains], SERIES[place % len(SERIES)]
            mean = sum(points) / len(points)
            axes.plot(points, [place] * len(points), "|", color=QUIET, markersize=7)
            if interval is not None:
                ends = [max(-2 * most, min(2 * most, 100 * end)) for end in interval]
                axes.plot(ends, [place, place], color=colour, linewidth=1.6)
            axes.plot([mean], [place], "o", color=colour, markersize=6, markeredgecolor=GROUND)
        axes.set_yticks(range(len(effects)), list(effects))
        axes.set_ylim(len(effects) - 0.4, -0.6)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=7, steps=[1, 2, 5, 10]))
        axes.xaxis.set_major_formatter(FuncFormatter(number))
        axes.set_xlabel("gain over the classifier alone, in points; a line for each pair")
        means = [f"{arm} {100 * sum(g) / len(g):+.1f}" for arm, (g, _) in effects.items()]
        figure.set_label(f"Gain in points: {', '.join(means)}.")
    return figure

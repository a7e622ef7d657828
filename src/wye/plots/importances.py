"""How much each searched setting matters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from wye.plots.style import INK, VALIDATION, drawing, fitted, quiet_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def importances_figure(importances: Mapping[str, float], metric: str) -> Figure:
    """A bar for each setting, the most important one on top.

    Args:
        importances: fractions of the metric's variation over the trials, by setting.

    Raises:
        ValueError: there is no setting.
        UsageError: matplotlib is not installed.
    """
    if not importances:
        raise ValueError("no setting to draw")
    ranked = sorted(importances.items(), key=lambda of: of[1])
    with drawing():
        from matplotlib.figure import Figure

        figure = Figure((5.6, 0.9 + 0.3 * len(ranked)), layout="constrained")
        axes = figure.add_subplot()
        quiet_axes(axes, "x")
        percentages = [100 * value for _, value in ranked]
        names = [fitted(name, 2.2) for name, _ in ranked]
        axes.barh(range(len(ranked)), percentages, height=0.6, color=VALIDATION)
        axes.set_yticks(range(len(ranked)), names, color=INK)
        for at, value in enumerate(percentages):
            axes.text(value, at, f" {value:.0f} %", va="center", color=INK)
        axes.set_xlim(0, 1.15 * max(*percentages, 1e-6))
        axes.set_title(f"what explains the {metric} on validation")
        axes.set_xlabel("% of its variation", loc="right")
        said = ", ".join(f"{name} {100 * value:.0f} %" for name, value in reversed(ranked))
        figure.set_label(f"Settings by the variation of the {metric} that they explain: {said}.")
    return figure

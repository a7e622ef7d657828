"""A learning-rate range test: smoothed loss against the rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from wye.plots.style import INK, RULE, TEST, TRAIN, VALIDATION, drawing, number, quiet_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def lr_figure(
    rates: Sequence[float], losses: Sequence[float], marks: Mapping[str, float] | None = None
) -> Figure:
    """Loss against the learning rate, both logarithmic where the losses are positive.

    Args:
        rates: of each step, all positive.
        losses: smoothed, of each step.
        marks: rates to mark by an upright line, by what they are; those outside `rates` are left
            out.

    Raises:
        ValueError: there is no step.
        UsageError: matplotlib is not installed.
    """
    if not rates:
        raise ValueError("no step to draw")
    within = {k: v for k, v in (marks or {}).items() if min(rates) <= v <= max(rates)}
    with drawing():
        from matplotlib.figure import Figure
        from matplotlib.ticker import FuncFormatter, LogLocator

        figure = Figure((5.6, 3.4), layout="constrained")
        axes = figure.add_subplot()
        quiet_axes(axes, "both")
        axes.plot(rates, losses, color=VALIDATION, linewidth=1.5)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda rate, _: f"{rate:.0e}"))
        logarithmic = min(losses) > 0
        if logarithmic:
            axes.set_yscale("log")
            wide = max(losses) > 30 * min(losses)
            axes.yaxis.set_major_locator(
                LogLocator(subs=(1, 3) if wide else (1, 1.5, 2, 3, 5, 7), numticks=12)
            )
        axes.minorticks_off()
        axes.yaxis.set_major_formatter(FuncFormatter(number))
        for (name, rate), colour in zip(within.items(), (TEST, TRAIN, INK), strict=False):
            axes.axvline(
                rate, color=colour, linewidth=1.2, linestyle="--", label=f"{name} {rate:.1e}"
            )
        axes.grid(True, color=RULE, linewidth=0.7)
        axes.set_title("smoothed loss" + (", log scale" if logarithmic else ""))
        axes.set_xlabel("learning rate, log scale", loc="right")
        if within:
            figure.legend(loc="outside upper left", ncols=len(within), labelcolor=INK)
        said = "".join(f" {name} at {rate:.1e};" for name, rate in within.items())
        figure.set_label(
            f"Smoothed loss at rates from {rates[0]:.0e} to {rates[-1]:.0e};{said} lowest"
            f" {min(losses):.3g}."
        )
    return figure

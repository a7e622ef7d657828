"""A small panel: what each arm gains against the number of labels, with intervals, as SVG.

The markup carries classes and no colours, as that of the curves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import Protocol

WIDTH, HEIGHT = 400, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 272, 34, 234
_LINE = 13
_DODGE = 4.0
MARKS = (
    "M-3.4 0a3.4 3.4 0 1 0 6.8 0a3.4 3.4 0 1 0-6.8 0z",
    "M-3-3h6v6h-6z",
    "M0-4.4L4.4 0L0 4.4L-4.4 0z",
    "M0-4L4 3.2H-4z",
    "M0 4L4-3.2H-4z",
    "M-4-1.3H-1.3V-4H1.3V-1.3H4V1.3H1.3V4H-1.3V1.3H-4z",
)
"""Shapes of the points, so that an arm is not told by its colour alone."""


class Interval(Protocol):
    """A mean with the ends of its interval, None where there is none."""

    @property
    def mean(self) -> float: ...
    @property
    def low(self) -> float | None: ...
    @property
    def high(self) -> float | None: ...


def span(gains: Iterable[Interval]) -> tuple[float, float]:
    """Lowest and highest value of an axis that all panels share: it holds 0 and every mean.

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


def gain_panel(
    title: str,
    lines: Mapping[str, Mapping[int, Interval]],
    arms: Sequence[str],
    labels: Sequence[int],
    axis: tuple[float, float],
) -> str:
    """One condition: a line for each arm, named at its end.

    Args:
        title: the condition.
        lines: arm to labels per class to gain in points.
        arms: every arm of all panels; an arm's place gives its colour and its mark.
        labels: every number of labels of all panels: the horizontal axis, logarithmic.
        axis: lowest and highest gain of all panels.

    Returns:
        SVG of 400 by 280 units.
    """
    bottom, top = axis

    def to_y(value: float) -> float:
        share = (min(max(value, bottom), top) - bottom) / (top - bottom)
        return _BOTTOM - (_BOTTOM - _TOP) * share

    to_x = _horizontal(labels)
    marks = [f'<text class="title" x="{_LEFT}" y="16">{escape(title)}</text>']
    for tick in _ticks(bottom, top):
        kind, y = ("zero" if abs(tick) < 1e-9 else "grid"), to_y(tick)
        marks.append(f'<line class="{kind}" x1="{_LEFT}" x2="{_RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        marks.append(_text(_LEFT - 6, y + 3.5, _tick(tick), "tick", "end"))
    marks += [_text(to_x(n), _BOTTOM + 17, f"{n:,}", "tick", "middle") for n in labels]
    marks.append(_text(_LEFT, HEIGHT - 8, "labels per class, log scale", "tick", "start"))
    ends: list[tuple[float, float, str, int]] = []
    for arm in (arm for arm in arms if lines.get(arm)):
        index = arms.index(arm)
        aside = _DODGE * (index - (len(arms) - 1) / 2)
        points = [(to_x(n) + aside, lines[arm][n]) for n in sorted(lines[arm])]
        drawn = [_bar(x, gain, to_y, axis) for x, gain in points]
        path = "L".join(f"{x:.1f} {to_y(gain.mean):.1f}" for x, gain in points)
        drawn.append(f'<path class="gain" d="M{path}"/>')
        drawn += [
            f'<path class="point" transform="translate({x:.1f} {to_y(gain.mean):.1f})"'
            f' d="{MARKS[index % len(MARKS)]}"/>'
            for x, gain in points
        ]
        marks.append(f'<g class="arm arm{index % len(MARKS)}">{"".join(drawn)}</g>')
        ends.append((points[-1][0], to_y(points[-1][1].mean), arm, index % len(MARKS)))
    marks += _names(ends)
    words = "; ".join(
        f"{arm}: " + ", ".join(f"{signed(g.mean)} at {n}" for n, g in sorted(lines[arm].items()))
        for arm in arms
        if lines.get(arm)
    )
    label = escape(f"{title}: gain in points by labels per class. {words or 'Nothing measured'}.")
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">'
        f"{''.join(marks)}</svg>"
    )


def signed(value: float) -> str:
    """A gain of one decimal with its sign, which stays where the rest rounds to nothing."""
    return f"{value:+.1f}".replace("-", "−") if value else "0.0"


def _horizontal(labels: Sequence[int]) -> Callable[[int], float]:
    low, high = math.log(min(labels)), math.log(max(labels))
    left, right = _LEFT + 18, _RIGHT - 18

    def to_x(count: int) -> float:
        if high == low:
            return (left + right) / 2
        return left + (right - left) * (math.log(count) - low) / (high - low)

    return to_x


def _bar(
    x: float, gain: Interval, to_y: Callable[[float], float], axis: tuple[float, float]
) -> str:
    """The interval as an upright; an end beyond the axis is an open one."""
    if gain.low is None or gain.high is None:
        return ""
    low, high = to_y(gain.low), to_y(gain.high)
    caps = [f"M{x - 2.5:.1f} {low:.1f}h5"] if gain.low >= axis[0] else []
    caps += [f"M{x - 2.5:.1f} {high:.1f}h5"] if gain.high <= axis[1] else []
    return f'<path class="bar" d="M{x:.1f} {low:.1f}V{high:.1f}{"".join(caps)}"/>'


def _names(ends: Sequence[tuple[float, float, str, int]]) -> list[str]:
    """The names of the lines beside their ends, moved apart where they would overlap."""
    ordered = sorted(ends, key=lambda end: end[1])
    heights = spread_out([end[1] for end in ordered], _LINE, _TOP, _BOTTOM)
    drawn = []
    for (x, y, arm, index), height in zip(ordered, heights, strict=True):
        start, stop = x + 6, _RIGHT + 4
        drawn.append(
            f'<path class="leader arm{index}" d="M{start:.1f} {y:.1f}L{stop} {height:.1f}"/>'
        )
        drawn.append(_text(stop + 4, height + 3.5, escape(arm), f"name arm{index}", "start"))
    return drawn


def spread_out(heights: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Ascending heights moved as little as need be: `gap` apart, within `low` and `high`."""
    placed: list[float] = []
    for height in heights:
        placed.append(max(height, low, placed[-1] + gap if placed else low))
    limit = max(high, low + gap * (len(placed) - 1))
    for index in reversed(range(len(placed))):
        placed[index] = min(placed[index], limit)
        limit = placed[index] - gap
    return placed


def _ticks(low: float, high: float) -> list[float]:
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.999)
    return [i * step for i in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _tick(value: float) -> str:
    return "0" if abs(value) < 1e-9 else f"{value:+.3g}".replace("-", "−")


def _text(x: float, y: float, words: str, kind: str, anchor: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{words}</text>'

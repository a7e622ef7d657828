"""A measured effect with its interval on a small scale, as SVG without colours."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable
from html import escape

WIDTH, HEIGHT = 240, 40
_LEFT, _RIGHT, _MIDDLE = 8, 232, 15

Ends = tuple[float, float]
"""A part of the scale; an end may be infinite."""


def window(known: Iterable[float], interval: Iterable[float], centre: float) -> Ends:
    """The ends of a scale: everything known in it, and the interval as far as is of use.

    Args:
        known: the effect, the published one, finite ends of the region where the claim holds.
        interval: its ends; further than four times the rest it is cut, as two runs can give one
            that would make a dot of everything else.
        centre: what stands in the middle.
    """
    reach = max((abs(value - centre) for value in known), default=0.0)
    wide = max((abs(value - centre) for value in interval), default=0.0)
    reach = max(reach, min(wide, 4 * reach) if reach else wide)
    reach = _rounded_up(1.1 * reach or 1.0)
    return centre - reach, centre + reach


def effect_strip(
    effect: float | None,
    interval: Ends | None,
    holds: Ends,
    published: float | None,
    scale: Ends,
    written: Callable[[float], str],
    label: str,
) -> str:
    """One effect.

    Args:
        effect: measured; None draws the scale alone.
        interval: its 95 % interval; an end beyond the scale becomes an arrow.
        holds: where the claim would hold; drawn as a band.
        published: effect that the study printed: a tick above the line.
        scale: ends of the scale.
        written: how a value is written.
        label: the same in words.

    Returns:
        SVG of 240 by 40 units.
    """

    def to_x(value: float) -> float:
        share = (min(max(value, scale[0]), scale[1]) - scale[0]) / (scale[1] - scale[0])
        return _LEFT + (_RIGHT - _LEFT) * share

    start, stop = to_x(holds[0]), to_x(holds[1])
    marks = [
        f'<rect class="holds" x="{start:.1f}" y="3" width="{max(stop - start, 1.5):.1f}"'
        ' height="24" rx="1"/>',
        f'<line class="axis" x1="{_LEFT}" x2="{_RIGHT}" y1="{_MIDDLE}" y2="{_MIDDLE}"/>',
    ]
    ends: list[tuple[float, float, str]] = [(scale[0], _LEFT, "start"), (scale[1], _RIGHT, "end")]
    if scale[0] < 0 < scale[1]:
        x = to_x(0)
        marks.append(f'<line class="zero" x1="{x:.1f}" x2="{x:.1f}" y1="3" y2="27"/>')
        ends.append((0.0, x, "middle"))
    for value, x, anchor in ends:
        words = escape(written(value)) if value else "0"
        marks.append(f'<text class="tick" x="{x:.1f}" y="38" text-anchor="{anchor}">{words}</text>')
    if published is not None:
        x = to_x(published)
        marks.append(f'<path class="printed" d="M{x - 4:.1f} 1h8L{x:.1f} 8z"/>')
        marks.append(f'<line class="printed" x1="{x:.1f}" x2="{x:.1f}" y1="6" y2="27"/>')
    if effect is not None:
        if interval is not None:
            low, high = interval
            marks.append(
                f'<path class="interval" d="M{to_x(low):.1f} {_MIDDLE}H{to_x(high):.1f}'
                f'{_end(to_x(low), low < scale[0], -1)}{_end(to_x(high), high > scale[1], 1)}"/>'
            )
        marks.append(f'<circle class="effect" cx="{to_x(effect):.1f}" cy="{_MIDDLE}" r="4"/>')
    return (
        f'<svg class="effects" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
        f' aria-label="{escape(label)}">{"".join(marks)}</svg>'
    )


def _end(x: float, beyond: bool, side: int) -> str:
    """An arrow head where the interval goes on, else a cap."""
    if beyond:
        back = x - 5 * side
        return f"M{back:.1f} {_MIDDLE - 4}L{x:.1f} {_MIDDLE}L{back:.1f} {_MIDDLE + 4}"
    return f"M{x:.1f} {_MIDDLE - 4}v8"


def _rounded_up(value: float) -> float:
    """The number nearest above `value` of 1, 1.5, 2, 3, 5 or 7.5 times a power of ten."""
    value = max(value, sys.float_info.min)  # a power of ten that is less would be zero
    power = 10.0 ** math.floor(math.log10(value))
    return next(m * power for m in (1, 1.5, 2, 3, 5, 7.5, 10) if m * power >= value * 0.999999)

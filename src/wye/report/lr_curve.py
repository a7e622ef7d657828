"""The picture of a learning-rate range test: smoothed loss against the rate, both logarithmic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from wye.report.curves import STYLE
from wye.report.files import save

WIDTH, HEIGHT = 560, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 540, 60, 290

_STYLE = """
.mark { stroke: var(--test); stroke-width: 1.4; stroke-dasharray: 4 3 }
.mark.tenth { stroke: var(--train) }
"""


def draw_lr_curve(
    rates: Sequence[float], losses: Sequence[float], marks: dict[str, float], path: Path
) -> None:
    """Write the curve as an SVG.

    Args:
        rates: of each step, all positive.
        losses: smoothed, of each step.
        marks: rates to mark by a vertical line, by what they are.
        path: the SVG; its folder is made.
    """
    logarithmic = min(losses) > 0
    transform = math.log10 if logarithmic else float
    heights = [transform(loss) for loss in losses]
    low, high = min(heights), max(heights)
    span = (high - low) or 1.0
    first, last = math.log10(rates[0]), math.log10(rates[-1])

    def to_x(rate: float) -> float:
        return _LEFT + (_RIGHT - _LEFT) * (math.log10(rate) - first) / ((last - first) or 1.0)

    def to_y(height: float) -> float:
        return _BOTTOM - (_BOTTOM - _TOP) * (height - low) / span

    scale = '<tspan class="tick" dx="6">log scale</tspan>' if logarithmic else ""
    parts = [f'<text class="title" x="{_LEFT}" y="18">smoothed loss{scale}</text>']
    for index in range(5):
        height = low + span * index / 4
        value = 10**height if logarithmic else height
        y = to_y(height)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(
            f'<text class="tick" x="{_LEFT - 6}" y="{y + 3.5:.1f}" text-anchor="end">'
            f"{value:.3g}</text>"
        )
    for power in range(math.ceil(first - 1e-9), math.floor(last + 1e-9) + 1):
        x = to_x(10.0**power)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{_BOTTOM}"/>')
        parts.append(
            f'<text class="tick" x="{x:.1f}" y="{_BOTTOM + 16}" text-anchor="middle">'
            f"{10.0**power:.0e}</text>"
        )
    line = "L".join(
        f"{to_x(rate):.1f} {to_y(height):.1f}" for rate, height in zip(rates, heights, strict=True)
    )
    parts.append(f'<path class="curve validation" d="M{line}"/>')
    for index, (name, rate) in enumerate(marks.items()):
        if not rates[0] <= rate <= rates[-1]:
            continue
        x = to_x(rate)
        kind = "mark" if index == 0 else "mark tenth"
        parts.append(f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{_BOTTOM}"/>')
        # Named above the plot, where no curve runs through the words.
        at = _LEFT + 180 * index
        parts.append(f'<line class="{kind}" x1="{at}" x2="{at + 22}" y1="38" y2="38"/>')
        parts.append(f'<text x="{at + 28}" y="42">{name} {rate:.1e}</text>')
    parts.append(
        f'<text class="tick" x="{_RIGHT}" y="{_BOTTOM + 32}" text-anchor="end">'
        "learning rate, log scale</text>"
    )
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}"'
        f' height="{HEIGHT}"><style>{STYLE}{_STYLE}</style>'
        f'<rect class="ground" width="100%" height="100%"/>{"".join(parts)}</svg>\n'
    )
    save(path, svg.encode())

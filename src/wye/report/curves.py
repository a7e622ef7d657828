"""Curves of training as small SVG panels, one for each term, drawn by hand.

The markup carries classes and no colours: a page styles it with its own palette, light or dark, and
a file gets `STYLE` put in.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

History = Sequence[Mapping[str, Any]]
"""The lines of `metrics.jsonl` of one run."""

PARTS = ("train", "validation", "test")
LABELS = {"train": "training", "validation": "validation", "test": "test, watched but not used"}
WIDTH, HEIGHT = 320, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 310, 34, 170

STYLE = """
svg { color: #222; --train: #8a93a3; --validation: #1f5fa8; --test: #b4540a; --ground: #fff }
@media (prefers-color-scheme: dark) {
  svg { color: #ddd; --train: #858fa1; --validation: #7fb2ee; --test: #eb9a57; --ground: #16181c }
}
.ground { fill: var(--ground) }
text { font: 11px system-ui, sans-serif; fill: currentColor }
.tick { opacity: .7 } .title { font-weight: 600; font-size: 12px }
.grid { stroke: currentColor; stroke-opacity: .13 }
.phase { stroke: currentColor; stroke-opacity: .5; stroke-dasharray: 1 3 }
.curve { fill: none; stroke-width: 1.8; stroke-linejoin: round; stroke-linecap: round }
.curve.thin { stroke-width: 1; stroke-opacity: .75 }
.curve.train { stroke: var(--train) } .curve.validation { stroke: var(--validation) }
.curve.test { stroke: var(--test); stroke-dasharray: 4 3 }
"""


def terms_of(histories: Iterable[History]) -> list[str]:
    """Terms with something to draw: the loss first, accuracy last, the others as they come."""
    found: dict[str, None] = {}
    for history in histories:
        for line in history:
            for part in PARTS:
                for name in line.get(part) or {}:
                    if _value(line, part, name) is not None:
                        found.setdefault(name)
    return sorted(found, key=lambda name: (name == "accuracy") - (name == "loss"))


def parts_of(histories: Iterable[History]) -> list[str]:
    """Which of training, validation and test were watched."""
    lines = [line for history in histories for line in history]
    return [part for part in PARTS if any(line.get(part) for line in lines)]


def phases_of(history: History) -> list[tuple[str, int, int]]:
    """`(name, first epoch, last epoch)` of each phase, counted from 1 through the run."""
    phases: list[tuple[str, int, int]] = []
    for epoch, line in enumerate(history, start=1):
        name = str(line.get("phase") or "")
        if phases and phases[-1][0] == name:
            phases[-1] = (name, phases[-1][1], epoch)
        else:
            phases.append((name, epoch, epoch))
    return phases


def panel(term: str, histories: Sequence[History]) -> str:
    """One term against the epoch: every part and, thin, every run. SVG of 320 by 200 units."""
    factor = 100.0 if term == "accuracy" else 1.0
    drawn = [
        (part, points)
        for part in PARTS
        for history in histories
        if (points := _points(history, part, term, factor))
    ]
    values = [y for _, points in drawn for _, y in points if y is not None]
    if not values:
        return ""
    last = max(len(history) for history in histories)
    logarithmic = term != "accuracy" and min(values) > 0 and max(values) > 30 * min(values)
    to_y, ticks = _vertical(min(values), max(values), logarithmic)

    def to_x(epoch: float) -> float:
        return _LEFT + (_RIGHT - _LEFT) * (epoch - 1) / max(last - 1, 1)

    title = escape(term.replace("_", " ") + (" (%)" if factor == 100 else ""))
    note = '<tspan class="tick" dx="6">log scale</tspan>' if logarithmic else ""
    marks = [f'<text class="title" x="{_LEFT}" y="16">{title}{note}</text>']
    for tick in ticks:
        y = to_y(tick)
        marks.append(f'<line class="grid" x1="{_LEFT}" x2="{_RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        marks.append(
            f'<text class="tick" x="{_LEFT - 6}" y="{y + 3.5:.1f}" text-anchor="end">'
            f"{_short(tick)}</text>"
        )
    for epoch in _epochs(last):
        marks.append(
            f'<text class="tick" x="{to_x(epoch):.1f}" y="{_BOTTOM + 16}" text-anchor="middle">'
            f"{epoch}</text>"
        )
    for _, first, _ in phases_of(max(histories, key=len))[1:]:
        x = to_x(first - 0.5)
        marks.append(f'<line class="phase" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{_BOTTOM}"/>')
    thin = " thin" if len(histories) > 1 else ""
    for part, points in drawn:
        path = _path([(to_x(x), None if y is None else to_y(y)) for x, y in points])
        marks.append(f'<path class="curve {part}{thin}" d="{path}"/>')
    label = f"{title} against epochs 1 to {last}. {_summary(drawn)}"
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">'
        + "".join(marks)
        + f'<text class="tick" x="{_RIGHT}" y="{_BOTTOM + 28}" text-anchor="end">epoch</text></svg>'
    )


def _summary(drawn: Sequence[tuple[str, list[tuple[int, float | None]]]]) -> str:
    """The end of the first curve of each part, in words."""
    ends: dict[str, str] = {}
    for part, points in drawn:
        known = [y for _, y in points if y is not None]
        ends.setdefault(part, f"{LABELS[part]} ends at {_short(known[-1])}")
    return "; ".join(ends.values()) + "."


def _value(line: Mapping[str, Any], part: str, term: str) -> float | None:
    value = (line.get(part) or {}).get(term)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _points(
    history: History, part: str, term: str, factor: float
) -> list[tuple[int, float | None]]:
    values = [_value(line, part, term) for line in history]
    if all(value is None for value in values):
        return []
    return [
        (x, None if value is None else value * factor) for x, value in enumerate(values, start=1)
    ]


def _path(points: Sequence[tuple[float, float | None]]) -> str:
    """Path data; a missing value lifts the pen. A lone point is a dot (a line of no length)."""
    words: list[str] = []
    down = False
    for x, y in points:
        if y is None:
            down = False
            continue
        words.append(f"{'L' if down else 'M'}{x:.1f} {y:.1f}" + ("" if down else "h0"))
        down = True
    return "".join(words)


def _vertical(low: float, high: float, logarithmic: bool) -> tuple[Any, list[float]]:
    """A map from value to y, and the ticks within its range."""
    transform = math.log10 if logarithmic else float
    start, end = transform(low), transform(high)
    if end - start < 1e-9 * max(abs(end), 1e-9):
        start, end = start - 0.5 * (abs(start) or 1), end + 0.5 * (abs(end) or 1)

    def to_y(value: float) -> float:
        return _BOTTOM - (_BOTTOM - _TOP) * (transform(value) - start) / (end - start)

    if logarithmic:
        powers = range(math.floor(start), math.ceil(end) + 1)
        steps = (1, 2, 5) if end - start < 2 else (1, 3) if end - start < 3 else (1,)
        ticks = [m * 10.0**p for p in powers for m in steps if start <= math.log10(m) + p <= end]
        return to_y, ticks[:: math.ceil(len(ticks) / 6)]
    step = _step((end - start) / 4)
    first, final = math.ceil(start / step - 1e-9), math.floor(end / step + 1e-9)
    return to_y, [index * step for index in range(first, final + 1)]


def _step(rough: float) -> float:
    """The round number (1, 2 or 5 times a power of ten) nearest above `rough`."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.999)


def _epochs(last: int) -> list[int]:
    """The first epoch and round ones after it."""
    step = max(1, int(_step(last / 4)))
    return [1, *(e for e in range(step, last + 1, step) if e > 1 + step / 3)]


def _short(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")

"""How plots look, light and dark: colours, text, legends, and the context of drawing."""

from __future__ import annotations

import importlib.util
import os
import textwrap
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wye.errors import UsageError
from wye.wording import shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

INK, QUIET, RULE, GROUND = "#222222", "#5c626d", "#dcdad3", "#ffffff"
TRAIN, VALIDATION, TEST = "#8a93a3", "#1f5fa8", "#b4540a"
SERIES = ("#00639f", "#b04600", "#00705a", "#a03a78", "#716000", "#54585f")
"""Colours of things that are compared: runs, arms."""
MARKERS = ("o", "s", "D", "^", "v", "P")
"""Their marks, so that none is told by its colour alone."""
DARK = {
    INK: "#dddddd", QUIET: "#9fa6b2", RULE: "#343941", GROUND: "#16181c",
    TRAIN: "#858fa1", VALIDATION: "#7fb2ee", TEST: "#eb9a57",
    **dict(zip(SERIES, ("#62b6f2", "#f2924f", "#45c79e", "#e79bc8", "#d6c052", "#b9bec7"),
               strict=True)),
}  # fmt: skip
"""What each colour becomes on a dark screen, in SVG."""
RIGHT, WRONG = "#3b7cc9", "#d9732e"
"""Of the cells of a confusion matrix: readable on either ground, as an image keeps its colours."""

SMALL, SIZE, LARGE = 7.0, 8.0, 9.0
"""Sizes of text, in points."""

_SETTINGS: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # matplotlib brings it: the same layout everywhere
    "font.size": SIZE,
    "text.parse_math": False,  # a class may be called $x$
    "text.color": INK,
    "figure.facecolor": GROUND,
    "figure.dpi": 150,
    "savefig.dpi": "figure",
    "axes.facecolor": "none",
    "axes.edgecolor": RULE,
    "axes.labelcolor": QUIET,
    "axes.labelsize": SIZE,
    "axes.titlesize": LARGE,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.axisbelow": True,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.spines.bottom": False,
    "lines.solid_capstyle": "round",
    "lines.solid_joinstyle": "round",
    "legend.frameon": False,
    "legend.fontsize": SIZE,
    "svg.fonttype": "none",
    "svg.hashsalt": "wye",
    "pdf.fonttype": 42,
}


def available() -> bool:
    """Whether matplotlib is installed."""
    return importlib.util.find_spec("matplotlib") is not None


def need_matplotlib() -> None:
    """Raise UsageError if matplotlib cannot be used: before work that ends in a plot."""
    if not available():
        raise UsageError(
            "plots are drawn by matplotlib, which is not installed: pip install 'wye[plots]'"
        )
    try:
        import matplotlib  # noqa: F401  (which refuses a backend that it doesn't know)
    except ValueError:
        backend = shown(os.environ.get("MPLBACKEND", ""))
        raise UsageError(f"MPLBACKEND={backend} is no backend of matplotlib; unset it") from None


@contextmanager
def drawing() -> Iterator[None]:
    """A context in which plots look as they should, whatever the user's matplotlibrc says.

    Raises:
        UsageError: matplotlib is not installed, or refuses its backend.
    """
    need_matplotlib()
    import matplotlib.style

    with matplotlib.style.context(["default", _SETTINGS]):
        yield


def quiet_axes(axes: Axes, grid: str | None = "y") -> None:
    """Labels without tick marks, and thin lines across the values of an axis (`x`, `y`, `both`)."""
    axes.tick_params(which="both", length=0, colors=QUIET, labelsize=SIZE)
    axes.minorticks_off()
    if grid is not None:
        axes.grid(True, axis=grid, color=RULE, linewidth=0.7)  # type: ignore[arg-type]


def dark_colours(svg: str | None = None) -> str:
    """A style sheet that changes the colours of plots on a dark screen, of those in `svg` alone.

    It goes by the values in the plots' own style: without it they are as drawn, on a light ground.
    """
    rules = [
        f'svg [style*="{kind}: {light}"] {{ {kind}: {dark} !important }}'
        for light, dark in DARK.items()
        for kind in ("fill", "stroke")
        if svg is None or f"{kind}: {light}" in svg
    ]
    return "@media screen and (prefers-color-scheme: dark) {\n" + "\n".join(rules) + "\n}\n"


def number(value: float, _position: int | None = None) -> str:
    """A tick's value, with a minus sign that is as wide as a plus."""
    return f"{value:.6g}".replace("-", "−")


def width_of(text: str, size: float = SIZE) -> float:
    """About how wide a text is, in inches; rather more than less."""
    wide = sum(1.0 if unicodedata.east_asian_width(c) in "WF" else 0.64 for c in text)
    return wide * size / 72


def fitted(text: str, width: float, size: float = SIZE) -> str:
    """The text, its middle left out where it is wider than `width` inches."""
    if width_of(text, size) <= width:
        return text
    kept = max(int(len(text) * width / width_of(text, size)) - 1, 2)
    tail = kept // 2
    return f"{text[: kept - tail]}…{text[-tail:]}"


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

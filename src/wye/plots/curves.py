"""Curves of training: every term against the epoch, of one run or of several."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wye.plots.style import (
    INK,
    MARKERS,
    QUIET,
    SERIES,
    TEST,
    TRAIN,
    VALIDATION,
    Legend,
    drawing,
    legend_of,
    number,
    quiet_axes,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

History = Sequence[Mapping[str, Any]]
"""The lines of `metrics.jsonl` of one run."""

SPLITS = {"train": TRAIN, "validation": VALIDATION, "test": TEST}
LABELS = {"train": "training", "validation": "validation", "test": "test, watched but not used"}
FEW = 12
"""Up to so many epochs each has a mark of its own."""
_ACROSS = 3
_PANEL = (3.2, 2.0)
_LEFT, _RIGHT, _TOP, _BOTTOM = 0.66, 0.1, 0.28, 0.42
"""Inches of a panel around its axes: room for a number of nine digits, a title, epochs."""
_STYLES = {"train": ":", "validation": "-", "test": "--"}


def curves_figure(
    runs: Mapping[str, History] | History,
    terms: Sequence[str] | None = None,
    legend: bool = True,
    by_run: bool | None = None,
) -> Figure:
    """Each term of the loss, and accuracy, against the epoch: a panel for each.

    Args:
        runs: the history of a run, or of several by name.
        terms: those to draw; by default all that there are.
        legend: name the lines, and the phases if there are several, below.
        by_run: tell the runs apart by colour and mark, and the splits by the kind of line; else
            the splits have the colours. By default it is so where there are several runs.

    Returns:
        Panels of 3.2 by 2 inches, three in a row, above the legend.

    Raises:
        ValueError: no epoch has a value to draw.
        UsageError: matplotlib is not installed.
    """
    named = runs if isinstance(runs, Mapping) else {"": runs}
    histories = list(named.values())
    terms = terms_of(histories) if terms is None else terms
    if not terms:
        raise ValueError("no epoch has a value to draw")
    by_run = len(named) > 1 if by_run is None else by_run
    with drawing():
        from matplotlib.figure import Figure

        across = min(_ACROSS, len(terms))
        below = _legend_of(named, by_run, across * _PANEL[0]) if legend else None
        width = across * _PANEL[0]
        height = -(-len(terms) // across) * _PANEL[1] + (below.height if below else 0)
        figure = Figure((width, height))
        for place, term in enumerate(terms):
            # By hand, as matplotlib's own layout draws everything once more; and all panels of a
            # page are alike so.
            x = place % across * _PANEL[0] + _LEFT
            y = height - (place // across + 1) * _PANEL[1] + _BOTTOM
            box = (x / width, y / height)
            size = (_PANEL[0] - _LEFT - _RIGHT) / width, (_PANEL[1] - _BOTTOM - _TOP) / height
            _panel(figure.add_axes((*box, *size)), term, named, by_run)
        if below:
            below.put_below(figure)
        figure.set_label(" ".join(_said(term, named, by_run) for term in terms))
    return figure


def terms_of(histories: Iterable[History]) -> list[str]:
    """Terms with something to draw: the loss first, accuracy last, the others as they come."""
    found: dict[str, None] = {}
    for history in histories:
        for line in history:
            for split in SPLITS:
                for name in line.get(split) or {}:
                    if not math.isnan(_value(line, split, name)):
                        found.setdefault(name)
    return sorted(found, key=lambda name: (name == "accuracy") - (name == "loss"))


def splits_of(histories: Iterable[History]) -> list[str]:
    """Which of training, validation and test were watched."""
    lines = [line for history in histories for line in history]
    return [split for split in SPLITS if any(line.get(split) for line in lines)]


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


def _panel(axes: Axes, term: str, named: Mapping[str, History], by_run: bool) -> None:
    factor = 100.0 if term == "accuracy" else 1.0
    last = max(len(history) for history in named.values())
    values: list[float] = []
    for place, history in enumerate(named.values()):
        for split in SPLITS:
            line = [factor * _value(each, split, term) for each in history]
            known = [value for value in line if not math.isnan(value)]
            if not known:
                continue
            values += known
            axes.plot(
                range(1, len(line) + 1),
                line,
                **_look(split, place, by_run, thin=len(named) > 1),
                markevery=_marked(line, last, by_run),
                label=f"{place}:{split}",
            )
    quiet_axes(axes)
    _epochs(axes, last)
    logarithmic = bool(values) and factor == 1 and 0 < 30 * min(values) < max(values)
    _values(axes, values, logarithmic)
    title = term.replace("_", " ") + (" (%)" if factor == 100 else "")
    axes.set_title(title + (", log scale" if logarithmic else ""))
    for boundary in _boundaries(named):
        axes.axvline(boundary, color=QUIET, linewidth=0.8, linestyle=(0, (1, 3)))


def _look(split: str, place: int, by_run: bool, thin: bool) -> dict[str, Any]:
    """How the line of a split of run number `place` is drawn."""
    width = 1.0 if thin and not by_run else 1.5
    look: dict[str, Any] = {"linewidth": width, "markersize": 3.5, "markeredgewidth": 0}
    if by_run:
        # A mark for the runs of each round of colours, so that the seventh is not the first.
        mark = MARKERS[(place + place // len(SERIES)) % len(MARKERS)]
        return look | {
            "color": SERIES[place % len(SERIES)],
            "linestyle": _STYLES[split],
            "marker": mark,
        }
    style = "--" if split == "test" else "-"
    return look | {"color": SPLITS[split], "linestyle": style, "marker": "o"}


def _marked(line: Sequence[float], last: int, by_run: bool) -> list[int]:
    """The values that have a mark: all if they are few, those that no line would show, and some
    by which runs can be told apart.
    """
    if last <= FEW:
        return list(range(len(line)))
    padded = [math.nan, *line, math.nan]
    alone = {
        at
        for at in range(len(line))
        if [math.isnan(value) for value in padded[at : at + 3]] == [True, False, True]
    }
    return sorted(alone | set(range(0, len(line), last // 6) if by_run else ()))


def _epochs(axes: Axes, last: int) -> None:
    """Whole epochs on the horizontal axis: the first, and round ones after it."""
    from matplotlib.ticker import MaxNLocator

    rounded = MaxNLocator(nbins=5, integer=True).tick_values(1, max(last, 2))
    step = rounded[1] - rounded[0]
    ticks = [1, *(int(at) for at in rounded if 1 + step / 3 < at <= last)]
    axes.set_xticks(ticks, [str(at) for at in ticks])
    room = 0.02 * (last - 1) if last > 1 else 0.5
    axes.set_xlim(1 - room, last + room)
    axes.set_xlabel("epoch")


def _values(axes: Axes, values: Sequence[float], logarithmic: bool) -> None:
    """Ticks of the vertical axis that differ from each other, however close the values are."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator

    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    if logarithmic:
        axes.set_yscale("log")
        decades = math.log10(high / low)
        subs = (1.0, 2.0, 5.0) if decades < 2 else (1.0, 3.0) if decades < 3 else (1.0,)
        axes.yaxis.set_major_locator(LogLocator(subs=subs, numticks=8))
        margin = (high / low) ** 0.04
        axes.set_ylim(low / margin, high * margin)
        axes.minorticks_off()
    else:
        # Of values that are almost the same the picture shows that they are.
        reach = max(high - low, 0.02 * max(abs(low), abs(high))) or 1.0
        middle = (low + high) / 2
        axes.set_ylim(middle - 0.54 * reach, middle + 0.54 * reach)
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(number))


def _boundaries(named: Mapping[str, History]) -> list[float]:
    """Where phases meet; none where the runs differ in that."""
    all_phases = [phases_of(history) for history in named.values() if history]
    longest = max(all_phases, key=len, default=[])
    starts = [first for _, first, _ in longest]
    alike = all([first for _, first, _ in each] == starts[: len(each)] for each in all_phases)
    return [first - 0.5 for first in starts[1:]] if alike else []


def _legend_of(named: Mapping[str, History], by_run: bool, width: float) -> Legend:
    """The names of the lines, in as many columns as a figure of some width has room for."""
    splits = splits_of(named.values())
    handles = _splits(splits, by_run)
    if by_run:
        handles = [*_runs(named, splits), *handles]
    if _boundaries(named):
        handles.append(_phases(max(named.values(), key=len)))
    return legend_of(handles, width)


def _runs(named: Mapping[str, History], splits: Sequence[str]) -> list[Line2D]:
    from matplotlib.lines import Line2D

    split = "validation" if "validation" in splits else splits[0]
    return [
        Line2D([], [], label=name, **{**_look(split, place, True, thin=False), "linestyle": "-"})
        for place, name in enumerate(named)
    ]


def _splits(splits: Sequence[str], by_run: bool) -> list[Line2D]:
    from matplotlib.lines import Line2D

    own = {"color": INK, "marker": None} if by_run else {"marker": None}
    return [
        Line2D([], [], label=LABELS[split], **{**_look(split, 0, by_run, thin=False), **own})
        for split in splits
    ]


def _phases(history: History) -> Line2D:
    from matplotlib.lines import Line2D

    spans = [f"{name or 'unnamed'} {a}–{b}" for name, a, b in phases_of(history)]
    label = f"phases: {', '.join(spans)}"
    return Line2D([], [], color=QUIET, linewidth=0.8, linestyle=(0, (1, 3)), label=label)


def _said(term: str, named: Mapping[str, History], by_run: bool) -> str:
    """A panel in words: where each line ends."""
    factor = 100.0 if term == "accuracy" else 1.0
    ends: dict[str, str] = {}
    for name, history in named.items():
        for split in SPLITS:
            known = [v for each in history if not math.isnan(v := _value(each, split, term))]
            if known:
                whose = f"{name}, {LABELS[split]}" if by_run else LABELS[split]
                ends.setdefault(whose, f"{whose} ends at {factor * known[-1]:.3g}")
    last = max(len(history) for history in named.values())
    title = term.replace("_", " ") + (" (%)" if factor == 100 else "")
    return f"{title} against epochs 1 to {last}: {'; '.join(ends.values())}."


def _value(line: Mapping[str, Any], split: str, term: str) -> float:
    """What an epoch has of a term, NaN where it has no finite number."""
    value = (line.get(split) or {}).get(term)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return math.nan
    return float(value)

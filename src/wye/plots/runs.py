"""Which plots runs have the data for, and where they are written."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from wye.errors import UsageError
from wye.evidence import gains
from wye.evidence.collect import by_row
from wye.plots.confusion import confusion_figure
from wye.plots.curves import curves_figure, terms_of
from wye.plots.gains import gains_figure, span
from wye.plots.gallery import compared, gallery_figure
from wye.plots.output import check_format, save
from wye.recipe.resolve import PROTOCOLS
from wye.runs.pictures import Examples
from wye.runs.records import Record
from wye.runs.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Kind = Literal["curves", "confusion", "gallery", "gain"]
KINDS: tuple[Kind, ...] = get_args(Kind)
SUFFIXES: dict[Kind, str] = {
    "curves": ".svg", "confusion": ".svg", "gallery": ".png", "gain": ".svg",
}  # fmt: skip
_LACKS: dict[Kind, str] = {
    "curves": "no curves: no epoch has been written down",
    "confusion": "no confusion matrix: it is unfinished, or its network has no classifier",
    "gallery": "no gallery: it is unfinished, or its network has no decoder",
    "gain": f"no gain: that takes finished runs of arms of the study {gains.STUDY!r} and of its arm"
    f" {gains.BASE!r}, of the same seeds",
}


@dataclass(frozen=True)
class _Plot:
    """One that can be drawn: its kind, its name among several, its own folder, how it is drawn."""

    kind: Kind
    name: str
    folder: Path
    draw: Callable[[], Figure]


def draw_run(run: Run) -> list[Path]:
    """Draw what a run has the data for into its `figures/`: curves, confusion matrix, gallery.

    Returns:
        The files written.

    Raises:
        UsageError: matplotlib is not installed.
        MachineError: a file cannot be read or written.
    """
    return [_written(plot, None) for plot in _of_one(run)]


def draw_runs(
    runs: Sequence[Run], what: Kind | Literal["all"] = "all", out: Path | None = None
) -> list[Path]:
    """Draw plots of one run, or of several: their curves in one, told apart by colour.

    Args:
        what: the kind of plot; `all` leaves out what there is no data for.
        out: a file, whose name's end tells the format, where there is one plot; else a folder. By
            default the plots of a run go into its `figures/`, those of several into the folder one
            is in, as SVG, galleries as PNG.

    Returns:
        The files written.

    Raises:
        UsageError: there is nothing to draw, or `out` is a file for several plots or of another
            format, or matplotlib is not installed.
        MachineError: a file cannot be read or written.
    """
    if not runs:
        raise UsageError("there is no run to plot; make one, for instance: wye train wye/quick")
    found = [plot for plot in _plots(runs) if what in (plot.kind, "all")]
    if not found:
        where = runs[0].path if len(runs) == 1 else f"none of the {len(runs)} runs"
        reason = "nothing to draw yet" if what == "all" else _LACKS[what]
        raise UsageError(f"{where}: {reason}")
    if out is None or not out.suffix or out.is_dir():
        return [_written(plot, out) for plot in found]
    check_format(out)
    if len(found) > 1:
        named = ", ".join(plot.name for plot in found[:4]) + (", …" if len(found) > 4 else "")
        raise UsageError(
            f"{out} is one file, and there are {len(found)} plots ({named}): choose one by --what,"
            " or give a folder"
        )
    save(found[0].draw(), out)
    return [out]


def _plots(runs: Sequence[Run]) -> list[_Plot]:
    if len(runs) == 1:
        return _of_one(runs[0])
    labels = _labels(runs)
    histories = {
        label: run.metrics
        for label, run in zip(labels, runs, strict=True)
        if terms_of([run.metrics])
    }
    found: list[_Plot] = []
    if histories:
        found.append(_Plot("curves", "curves", Path(), lambda: curves_figure(histories)))
    for label, run in zip(labels, runs, strict=True):
        prefix = re.sub(r"[^\w.-]+", "-", label)
        found += [plot for plot in _of_one(run, f"{prefix}-") if plot.kind != "curves"]
    return [*found, *_gains(runs)]


def _of_one(run: Run, prefix: str = "") -> list[_Plot]:
    """What one run has the data for."""
    folder = run.path / "figures"
    found: list[_Plot] = []
    history = run.metrics
    if terms_of([history]):
        found.append(_Plot("curves", f"{prefix}curves", folder, lambda: curves_figure(history)))
    test = (run.result or {}).get("test") or {}
    if matrix := test.get("confusion"):
        names = [str(name) for name in test.get("per_class") or range(len(matrix))]
        found.append(
            _Plot(
                "confusion", f"{prefix}confusion", folder, lambda: confusion_figure(matrix, names)
            )
        )
    if (examples := run.examples()) is not None:
        found.append(_Plot("gallery", f"{prefix}gallery", folder, lambda: _gallery(run, examples)))
    return found


def _gallery(run: Run, examples: Examples) -> Figure:
    rows = compared(examples.originals, examples.reconstructions, examples.inputs)
    return gallery_figure(rows, [Path(name).name for name in run.names_of(examples)])


def _gains(runs: Sequence[Run]) -> list[_Plot]:
    """A plot for each protocol that has a comparison."""
    complete = by_row(Record.of(run) for run in runs if run.complete)
    found = []
    for protocol in PROTOCOLS:
        measured = gains.conditions(gains.accuracies(complete, protocol))
        if held := [of for of in measured if of.gains]:
            found.append(
                _Plot("gain", f"gain-{protocol}", Path(), lambda held=held: gain_figure(held))  # type: ignore[misc]
            )
    return found


def gain_figure(held: Sequence[gains.Condition]) -> Figure:
    """What each arm gains in each of some conditions, on axes that they share."""
    every = [gain for of in held for each in of.gains.values() for gain in each.values()]
    named = {arm for of in held for arm in of.gains}
    arms = [arm for arm in gains.levels_of("arm") if arm in named]
    labels = sorted({n for of in held for each in of.gains.values() for n in each})
    return gains_figure({of.title: of.gains for of in held}, arms, labels, span(every))


def _labels(runs: Sequence[Run]) -> list[str]:
    """Row and seed of each run, or its path where that does not tell them apart."""
    labels = [f"{run.recipe.row}, seed {run.recipe.seed}" for run in runs]
    return [
        label if labels.count(label) == 1 else str(run.path)
        for label, run in zip(labels, runs, strict=True)
    ]


def _written(plot: _Plot, out: Path | None) -> Path:
    own = out is None and plot.folder != Path()
    name = plot.kind if own else plot.name
    path = (out if out is not None else plot.folder) / f"{name}{SUFFIXES[plot.kind]}"
    save(plot.draw(), path)
    return path

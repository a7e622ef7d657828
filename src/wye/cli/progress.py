"""Progress of a training: a fixed-width table of epochs, and a bar on a terminal."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

from wye.recipe.schema import Recipe
from wye.training.records import EpochRecord
from wye.training.tally import Tally

REFRESH = 0.2
SHORT = {"classification": "class.", "reconstruction": "recon.", "accuracy": "acc."}
HEADINGS = (
    ("epoch", 6),
    ("phase", 8),
    ("lr", 7),
    ("loss", 7),
    ("class.", 6),
    ("recon.", 6),
    ("acc.", 5),
    ("v.cls", 6),
    ("v.rec", 6),
    ("v.acc", 5),
    ("imgs/s", 6),
)


class Progress:
    """Shows a training on standard error, in 80 columns.

    Columns that begin with v. are of the validation part; accuracies are percentages.

    The bar holds epoch, batch, terms, accuracy, images/s and the time left. Reading a term from the
    device makes it wait, so the bar does so a few times a second and not at every step.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.epochs = sum(phase.train.epochs for phase in recipe.resolved_phases())
        self.console = Console(file=sys.stderr)
        self.bar = Bar(
            TextColumn("{task.fields[epoch]}/{task.fields[epochs]}"),
            BarColumn(bar_width=10),
            # One column: a narrow window cuts the terms at its edge instead of every number.
            TextColumn(
                "{task.fields[batch]}/{task.fields[batches]}  {task.fields[left]} left"
                "  {task.fields[rate]} images/s  {task.fields[terms]}"
            ),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
            auto_refresh=False,
        )
        self.task: Any = None
        self._shown = 0.0
        self._headed = False
        self._since, self._images = 0.0, 0

    def __enter__(self) -> Progress:
        self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bar.stop()

    def step(self, epoch: int, step: int, steps: int, tally: Tally) -> None:
        """See `wye.training.records.Observer`."""
        if self.bar.disable:
            return
        now = time.monotonic()
        done = (epoch - 1 + step / steps) / self.epochs
        if step == 1:
            # The first step also warms up; rates are those of the steps behind it.
            self._since, self._images = now, tally.images
        if step == 1 or now - self._shown < REFRESH:
            return
        self._shown = now
        figures = tally.means()
        terms = " ".join(f"{SHORT.get(name, name)} {value:.3f}" for name, value in figures.items())
        spent = now - self._since
        rate = (tally.images - self._images) / spent
        left = (self.epochs - epoch + 1 - step / steps) * spent / ((step - 1) / steps)
        fields: dict[str, Any] = {
            "epoch": epoch,
            "epochs": self.epochs,
            "batch": step,
            "batches": steps,
            "terms": terms,
            "rate": f"{rate:,.0f}",
            "left": clock(left),
        }
        if self.task is None:
            self.task = self.bar.add_task("", total=1.0, **fields)
        self.bar.update(self.task, completed=done, **fields)
        self.bar.refresh()

    def epoch(self, record: EpochRecord) -> None:
        """See `wye.runs.carry_out.RunObserver`."""
        if not self._headed:
            self._headed = True
            self._print(" ".join(name.rjust(width) for name, width in HEADINGS))
        train, held = record.train, record.validation or {}
        cells = (
            f"{record.epoch}/{self.epochs}",
            record.phase[:8],
            f"{record.lr:.1e}",
            _number(train.get("loss")),
            _number(train.get("classification")),
            _number(train.get("reconstruction")),
            _percent(train.get("accuracy")),
            _number(held.get("classification")),
            _number(held.get("reconstruction")),
            _percent(held.get("accuracy")),
            f"{record.images_per_second:.0f}",
        )
        widths = (width for _, width in HEADINGS)
        self._print(" ".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True)))

    def _print(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    # Squared errors of pixels in [0, 1] are small.
    return f"{value:.4f}" if value < 1 else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}"


def clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"

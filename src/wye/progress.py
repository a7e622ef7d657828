"""Progress of a training: a fixed-width table of epochs, and a bar on a terminal."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from dataclasses import dataclass
from types import TracebackType
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

from wye.objective import TERMS
from wye.recipe.schema import Recipe
from wye.training.records import EpochRecord, RunningMeans
from wye.wording import plain

Batch = TypeVar("Batch", bound=tuple[Sized, Any])

REFRESH = 0.2
WIDTH = 80


@dataclass(frozen=True)
class Column:
    """A column of the table of epochs.

    Attributes:
        cell: its text for an epoch of so many.
        spared: left out where the table would be wider than 80 letters.
    """

    heading: str
    width: int
    cell: Callable[[EpochRecord, int], str]
    spared: bool = False


def columns(recipe: Recipe) -> list[Column]:
    """The columns of a recipe's training: every term that is computed has one."""
    shown = [
        term
        for term in TERMS.values()
        if term.always or any(p.loss.weights()[term.name] for p in recipe.resolved_phases())
    ]
    several = len(recipe.phases) > 1
    found = [
        Column("epoch", 6, lambda record, epochs: f"{record.epoch}/{epochs}"),
        Column("phase", 8, lambda record, _: record.phase[:8], spared=not several),
        Column("lr", 7, lambda record, _: f"{record.lr:.1e}"),
        Column("loss", 7, lambda record, _: _number(record.train.get("loss"))),
        *(Column(term.column, 6, _of("train", term.name)) for term in shown),
        Column("acc", 5, lambda record, _: _percent(record.train.get("accuracy"))),
        *(
            Column(f"v.{term.column}", 7, _of("validation", term.name), spared=not term.always)
            for term in shown
        ),
        Column("v.acc", 5, lambda record, _: _percent((record.validation or {}).get("accuracy"))),
        Column("imgs/s", 6, lambda record, _: f"{record.images_per_second:.0f}"),
    ]
    while sum(column.width + 1 for column in found) > WIDTH + 1:
        spared = [column for column in found if column.spared]
        if not spared:  # several phases and several terms: what validation says of the terms
            spared = [column for column in found if column.heading.startswith("v.")][:-1]
        if not spared:
            break
        found.remove(spared[-1])
    return found


def _of(part: str, term: str) -> Callable[[EpochRecord, int], str]:
    return lambda record, _: _number((getattr(record, part) or {}).get(term))


class Progress:
    """Shows a training on standard error, in 80 columns.

    Columns that begin with v. are of the validation part; accuracies are percentages.

    The bar holds epoch, batch, terms, accuracy, images/s and the time left. Reading a term from the
    device makes it wait, so the bar does so a few times a second and not at every step.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.columns = columns(recipe)
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
            disable=not (self.console.is_terminal or _in_notebook(self.console)),
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

    def step(self, epoch: int, step: int, steps: int, means: RunningMeans) -> None:
        """See `wye.training.records.Observer`."""
        if self.bar.disable:
            return
        now = time.monotonic()
        done = (epoch - 1 + step / steps) / self.epochs
        if step == 1:
            # The first step also warms up; rates are those of the steps behind it.
            self._since, self._images = now, means.images
        if step == 1 or now - self._shown < REFRESH:
            return
        self._shown = now
        figures = means.values()
        terms = " ".join(f"{_short(name)} {value:.3f}" for name, value in figures.items())
        spent = now - self._since
        rate = (means.images - self._images) / spent
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
        """See `wye.runs.launch.RunObserver`."""
        if not self._headed:
            self._headed = True
            self._print(" ".join(each.heading.rjust(each.width) for each in self.columns))
        cells = (each.cell(record, self.epochs).rjust(each.width) for each in self.columns)
        self._print(" ".join(cells))

    def _print(self, line: str) -> None:
        self.console.print(plain(line), markup=False, highlight=False, soft_wrap=True)


def counted(batches: Iterable[Batch], count: int) -> Iterator[Batch]:
    """Pass on batches of images, `(images, pixels)`, with a bar on a terminal.

    Args:
        count: how many images there are.
    """
    console = Console(file=sys.stderr)
    bar = Bar(console=console, transient=True, disable=not console.is_terminal)
    with bar:
        task = bar.add_task("images", total=count)
        for batch in batches:
            yield batch
            bar.advance(task, len(batch[0]))


def visible() -> bool:
    """Whether somebody is there to see it: on a terminal, or in a notebook."""
    console = Console(file=sys.stderr)
    return console.is_terminal or console.is_jupyter


def _in_notebook(console: Console) -> bool:
    """Whether a bar can be shown in a notebook, for which rich needs ipywidgets."""
    return console.is_jupyter and importlib.util.find_spec("ipywidgets") is not None


def _short(name: str) -> str:
    if name in TERMS:
        return TERMS[name].column
    return "acc" if name == "accuracy" else name


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

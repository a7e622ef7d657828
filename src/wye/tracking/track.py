"""Handing a run on to trackers, epoch for epoch, once each."""

from __future__ import annotations

import importlib.util
import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from wye.errors import MachineError, UsageError, message_of
from wye.files import opened
from wye.metrics import metrics_of
from wye.plots.runs import Kind, draw_runs
from wye.plots.style import available
from wye.recipe.schema import Recipe
from wye.registry import suggest
from wye.runs.launch import Launch, RunObserver
from wye.runs.run import Run
from wye.tracking.writer import Tracked, Writer
from wye.training.records import EpochRecord, RunningMeans

log = logging.getLogger("wye")

FILE = "tracking.json"
"""In the run folder: what each tracker has of the run."""
PICTURES: tuple[Kind, ...] = ("confusion", "gallery")


def _tensorboard(tracked: Tracked) -> Writer:
    from wye.tracking.to_tensorboard import TensorBoard

    return TensorBoard(tracked)


def _wandb(tracked: Tracked) -> Writer:
    from wye.tracking.to_wandb import WandB

    return WandB(tracked)


def _mlflow(tracked: Tracked) -> Writer:
    from wye.tracking.to_mlflow import MLflow

    return MLflow(tracked)


TRACKERS: dict[str, Callable[[Tracked], Writer]] = {
    "tensorboard": _tensorboard,
    "wandb": _wandb,
    "mlflow": _mlflow,
}
"""By name, which is also that of the package and of the extra that installs it."""


def check(names: Sequence[str]) -> None:
    """Raise UsageError if a tracker is not known, or not installed: before anything is trained."""
    for name in names:
        if name not in TRACKERS:
            raise UsageError(f"there is no tracker {name!r}; {suggest(name, TRACKERS)}")
        if importlib.util.find_spec(name) is None:
            raise UsageError(f"{name} is not installed: pip install 'wye[{name}]'")


class Held(BaseModel):
    """What a tracker has of a run: how it calls it, how many epochs, and whether all of it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    known: str = ""
    epochs: int = 0
    ended: bool = False


class Tracking(RunObserver):
    """Hands a launched run on to the trackers that the launch names.

    What they have is kept in the run folder: a resumed run goes on there, and a tracker that was
    not asked from the beginning, or failed meanwhile, gets what it lacks. A run that another one
    depends on is not handed on with it.

    A tracker that fails while the run goes on ends no run: it is left out with a warning.

    Raises:
        UsageError: see `check`.
    """

    def __init__(self, launch: Launch) -> None:
        check(launch.track)
        self._launch = launch
        self._open: dict[str, Writer] = {}
        self._held: dict[str, Held] = {}

    def __enter__(self) -> Tracking:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for name in list(self._open):
            self._try(name, lambda writer: writer.close(kind is None))
        self._open.clear()

    @contextmanager
    def observe(self, recipe: Recipe) -> Iterator[RunObserver]:
        """The observer of a run (`Launch.observe`), beside the one that the launch has."""
        begun = self._launch.observe
        with begun(recipe) if begun else nullcontext() as shown:
            own = recipe.row == self._launch.recipe.row
            if own:
                self._begin(Run(self._launch.folder.path))
            yield _Each([each for each in (shown, self if own else None) if each is not None])

    def step(self, epoch: int, step: int, steps: int, means: RunningMeans) -> None:
        """See `wye.training.records.Observer`."""

    def epoch(self, record: EpochRecord) -> None:
        """See `wye.runs.launch.RunObserver`."""
        run = Run(self._launch.folder.path)
        for name in list(self._open):
            self._try(name, lambda writer, name=name: self._hand_on(name, writer, run))  # type: ignore[misc]

    def end(self, run: Run) -> None:
        """Hand on the final result and the pictures of a run, one that was finished before too."""
        if not self._open:
            self._begin(run)
        result = run.result or {}
        values = {f"result/{name}": value for name, value in metrics_of(result).items()}
        values |= {f"seconds/{part}": value for part, value in result.get("seconds", {}).items()}
        with tempfile.TemporaryDirectory() as scratch:
            pictures = _pictures(run, Path(scratch)) if self._open else {}
            last = len(run.metrics)
            for name in list(self._open):

                def ended(writer: Writer, name: str = name) -> None:
                    self._hand_on(name, writer, run)
                    writer.end(last, values, pictures)
                    self._keep(name, ended=run.complete)

                self._try(name, ended)

    def _begin(self, run: Run) -> None:
        path = run.path / FILE
        if path.exists():
            with opened(path) as file:
                content = file.read()
            try:
                self._held = TypeAdapter(dict[str, Held]).validate_json(content)
            except ValidationError:
                log.warning("%s is damaged; the whole run is handed on again", path)
        for name in self._launch.track:
            held = self._held.setdefault(name, Held())
            if held.ended:
                log.info("%s has %s already", name, run.path)
                continue
            try:
                writer = TRACKERS[name](Tracked(run, self._launch.root, held.known))
            except Exception as error:  # of a library, about a server, a login, a disk
                raise MachineError(f"{name} cannot be reached: {message_of(error)}") from error
            if writer.known != held.known:
                self._held[name] = Held(known=writer.known)
            self._open[name] = writer
            self._keep(name)

    def _hand_on(self, name: str, writer: Writer, run: Run) -> None:
        """The epochs that the tracker lacks."""
        for line in run.metrics[self._held[name].epochs :]:
            writer.epoch(line["epoch"], dict(_values(line)))
        # The last epoch of a run that was cut short will be trained again.
        cut = run.result is not None and not run.complete
        self._keep(name, epochs=max(self._held[name].epochs, len(run.metrics) - cut))

    def _keep(self, name: str, **changed: Any) -> None:
        self._held[name] = self._held[name].model_copy(update=changed)
        document = {name: held.model_dump() for name, held in self._held.items()}
        self._launch.folder.write_json(FILE, document)

    def _try(self, name: str, action: Callable[[Writer], None]) -> None:
        try:
            action(self._open[name])
        except Exception as error:
            del self._open[name]
            log.warning(
                "%s fails: %s; the run goes on without, and --resume --track %s hands on the rest",
                *(name, message_of(error), name),
            )


class _Each(RunObserver):
    """Several observers as one."""

    def __init__(self, observers: Sequence[RunObserver]) -> None:
        self._observers = observers

    def step(self, epoch: int, step: int, steps: int, means: RunningMeans) -> None:
        """See `wye.training.records.Observer`."""
        for observer in self._observers:
            observer.step(epoch, step, steps, means)

    def epoch(self, record: EpochRecord) -> None:
        """See `wye.runs.launch.RunObserver`."""
        for observer in self._observers:
            observer.epoch(record)


def _values(line: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """The numbers of a line of `metrics.jsonl`."""
    for key, value in line.items():
        if isinstance(value, dict):
            yield from ((f"{key}/{name}", of) for name, of in value.items() if of is not None)
        elif isinstance(value, int | float) and not isinstance(value, bool) and key != "epoch":
            yield key, value


def _pictures(run: Run, folder: Path) -> dict[str, Path]:
    """The plots that a run has the data for, as PNG, which every tracker shows."""
    found: dict[str, Path] = {}
    for kind in PICTURES if available() else ():
        try:
            found[kind] = draw_runs([run], kind, folder / f"{kind}.png")[0]
        except UsageError:  # no classifier, or no decoder
            continue
    return found

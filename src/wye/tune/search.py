"""A search: its trials, kept in SQLite, what each is told to try, and when one is given up."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock, Timeout
from optuna.distributions import distribution_to_json
from optuna.trial import TrialState

from wye.errors import MachineError, UsageError
from wye.files import check_file
from wye.jobs.plan import PlannedRun
from wye.metrics import METRICS
from wye.recipe.overrides import nest, parse_overrides
from wye.recipe.schema import Recipe
from wye.runs.own import resolve_own
from wye.runs.run import Run
from wye.streams import Streams
from wye.training.checkpoint import monitored
from wye.tune.space import Space
from wye.wording import in_line

FILE = "trials.db"
NAME = "wye"
STARTUP = 5
"""Trials that go to their end before the median of the others can end one."""
OVER = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


@dataclass(frozen=True)
class Trial:
    """One that has come to its end.

    Attributes:
        number: from 0.
        words: of a command line, what it chose and what is the same for all.
        state: `complete`, `pruned` or `fail`.
        value: of the search's metric; None of one that failed or was pruned.
        epochs: that it was watched for.
    """

    number: int
    words: tuple[str, ...]
    state: str
    value: float | None
    epochs: int


class Search:
    """Chooses settings by what they reach on the validation part.

    The metric is the one that a recipe's training watches (`train.monitor`): the accuracy where a
    classifier learns. The test images are measured in no trial.

    Args:
        target: a row, a recipe file or own images.
        space: what may be chosen.
        trials: how many there shall be, with those of before.
        folder: the trials' database and their run folders; `tune/<row>` if not given.
        seed: of the choices, and of every trial's run.

    Raises:
        UsageError: the space does not suit the recipe, nothing is held out for validation, or the
            folder has another search.
    """

    def __init__(
        self,
        target: str,
        space: Space,
        trials: int,
        folder: Path | None = None,
        seed: int = 0,
        protocol: str = "paper",
    ) -> None:
        self.target, self.space = target, space
        self.trials, self.seed, self.protocol = trials, seed, protocol
        for corner in space.corners():  # what does not suit is said before anything is trained
            recipe = self.recipe(corner)
        self.row = recipe.row
        self.folder = folder or Path("tune") / recipe.row
        self.metric = self._metric(recipe)
        known = METRICS.get(self.metric) if self.metric in METRICS else None
        self.higher_is_better = known is not None and known.higher_is_better
        self._lock = FileLock(self.folder / ".lock", timeout=0)
        self._open: dict[Path, optuna.trial.Trial] = {}
        self._left: list[optuna.trial.FrozenTrial] = []

    def __enter__(self) -> Search:
        """Begin, or go on with what is in the folder, which is this process's alone.

        Raises:
            UsageError: another process searches in the folder, or it has another search.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire()
        except Timeout:
            raise UsageError(f"another process searches in {self.folder}") from None
        try:
            self._begin()
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def _begin(self) -> None:
        from sqlalchemy.exc import SQLAlchemyError

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        path = self.folder / FILE
        try:
            if path.exists():
                check_file(path)
            self._take_up()
        except (SQLAlchemyError, optuna.exceptions.OptunaError, LookupError, ValueError) as error:
            reason = str(error).partition("\n")[0]
            raise MachineError(f"{path} is damaged: {in_line(reason)}") from None

    def _take_up(self) -> None:
        self._study = optuna.create_study(
            storage=f"sqlite:///{(self.folder / FILE).absolute()}",
            study_name=NAME,
            direction="maximize" if self.higher_is_better else "minimize",
            pruner=optuna.pruners.MedianPruner(n_startup_trials=STARTUP),
            load_if_exists=True,
        )
        self._check_same()
        # Those that a stopped search left: their runs are gone on with.
        self._left = self._study.get_trials(states=(TrialState.RUNNING,))
        draws = Streams(self.seed).seed_of("order", "tune", len(self._study.trials))
        self._study.sampler = optuna.samplers.TPESampler(seed=draws & 0xFFFFFFFF)

    def recipe(self, words: list[str]) -> Recipe:
        """The recipe of a choice of settings.

        Raises:
            UsageError: there is none.
        """
        settings = {**parse_overrides(words), "seed": self.seed}
        return resolve_own(self.target, settings, self.protocol)

    def _metric(self, recipe: Recipe) -> str:
        if recipe.data.validation == 0:
            raise UsageError(
                "a search needs images to choose by, and nothing is held out for validation:"
                " data.validation=0.1 holds out a tenth"
            )
        name = monitored(recipe.resolved_phases()[-1])
        if name == "loss" and any("loss" in nest(key, 0) for key in self.space.ranges):
            raise UsageError(
                "train.monitor=loss: losses of other weights cannot be compared;"
                " train.monitor=accuracy, for instance, can"
            )
        return name

    def _check_same(self) -> None:
        asked: dict[str, Any] = {
            "target": self.target,
            "protocol": self.protocol,
            "seed": self.seed,
            "fixed": list(self.space.fixed),
            "ranges": {
                key: json.loads(distribution_to_json(of)) for key, of in self.space.ranges.items()
            },
        }
        kept = self._study.user_attrs.get("search")
        if kept is None:
            self._study.set_user_attr("search", asked)
        elif not isinstance(kept, dict):
            raise ValueError("it does not say what is searched")
        elif kept != asked:
            other = next((key for key in asked if kept.get(key) != asked[key]), "settings")
            raise UsageError(
                f"{self.folder} holds a search of other {other}; --out DIR puts this one elsewhere"
            )

    def ask(self) -> PlannedRun | None:
        """The next trial's run; None if there are as many as there shall be."""
        if self._left:
            left = self._left.pop(0)
            trial = optuna.trial.Trial(self._study, left._trial_id)
        elif len(self._study.trials) < self.trials:
            trial = self._study.ask(dict(self.space.ranges))
        else:
            return None
        folder = self._place(trial.number)
        self._open[folder] = trial
        return PlannedRun(self.recipe(self.space.words(trial.params)), folder)

    def _place(self, number: int) -> Path:
        return self.folder / f"trial-{number:04d}"

    def hopeless(self, run: PlannedRun) -> bool:
        """Whether a run that has one epoch more is behind the median of the others; it is pruned.

        One that has all of its epochs is not.
        """
        trial = self._open[run.folder]
        values = self._watched(run)
        reported = self._study.trials[trial.number].intermediate_values
        for epoch, value in values.items():
            if epoch not in reported:
                trial.report(value, epoch)
        epochs = sum(phase.train.epochs for phase in run.recipe.resolved_phases())
        if not values or max(values) >= epochs or not trial.should_prune():
            return False
        self._study.tell(self._open.pop(run.folder), state=TrialState.PRUNED)
        return True

    def done(self, run: PlannedRun) -> None:
        """A run is trained to its end."""
        self.hopeless(run)
        values = self._watched(run)
        if run.recipe.evaluation.selection == "best":
            best = [line["epoch"] for line in Run(run.folder).metrics if line["best"]]
            values = {epoch: values[epoch] for epoch in best[-1:]}
        if not values:
            raise MachineError(f"{run.folder} has no {self.metric} on validation")
        self._study.tell(self._open.pop(run.folder), values[max(values)])

    def failed(self, run: PlannedRun) -> None:
        """A run could not be trained."""
        self._study.tell(self._open.pop(run.folder), state=TrialState.FAIL)

    def _watched(self, run: PlannedRun) -> dict[int, float]:
        """The metric on validation by epoch, as far as the run is."""
        lines = Run(run.folder).metrics
        found = {line["epoch"]: (line.get("validation") or {}).get(self.metric) for line in lines}
        return {at: of for at, of in found.items() if of is not None and math.isfinite(of)}

    def trial(self, run: PlannedRun) -> Trial:
        """What became of a run that came to its end."""
        return next(each for each in self.ended() if self._place(each.number) == run.folder)

    def ended(self) -> list[Trial]:
        """The trials that came to their end, in their order."""
        return [
            Trial(
                each.number,
                tuple(self.space.words(each.params)),
                each.state.name.lower(),
                # Optuna gives a pruned trial the value of its last epoch.
                each.value if each.state is TrialState.COMPLETE else None,
                max(each.intermediate_values, default=0),
            )
            for each in self._study.get_trials(states=OVER)
        ]

    def ranked(self) -> list[Trial]:
        """The trials that were trained to their end, the best one first."""
        found = [(trial.value, trial) for trial in self.ended() if trial.value is not None]
        sign = -1 if self.higher_is_better else 1
        return [trial for _, trial in sorted(found, key=lambda of: sign * of[0])]

    def best(self) -> Trial | None:
        """The first of them; None where there is none."""
        return next(iter(self.ranked()), None)

    def importances(self) -> Mapping[str, float]:
        """How much of the metric's variation each setting explains; none of too few trials."""
        complete = self._study.get_trials(states=(TrialState.COMPLETE,))
        if len({trial.value for trial in complete}) < 2 or len(complete) < STARTUP:
            return {}
        evaluator = optuna.importance.PedAnovaImportanceEvaluator()
        found = optuna.importance.get_param_importances(self._study, evaluator=evaluator)
        return dict(found)

"""A run that was made, read back from its folder; torch is asked for where weights are."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel

from wye import yaml_text
from wye._version import __version__
from wye.cards import as_html, as_text, shown_metrics, strip
from wye.errors import MachineError, UsageError, WyeError
from wye.files import check_file
from wye.metrics import metrics_of
from wye.recipe.overrides import validated
from wye.recipe.parts import BEST, EPOCHS, LAST
from wye.recipe.resolve import LARGEST
from wye.recipe.schema import Recipe
from wye.registry import suggest
from wye.runs.folder import RUNS, RunFolder
from wye.runs.pictures import Examples, Mistakes
from wye.runs.schema import Config, Environment, Epoch, Result, checked, from_json, read_text
from wye.wording import plain, shown

if TYPE_CHECKING:
    from torch import Tensor

    from wye.data.inspection import Inspection

logger = logging.getLogger("wye")


Kept = TypeVar("Kept", Examples, Mistakes)


class Run:
    """A run that was carried out, or begun, read back from its folder.

    Raises:
        UsageError: the folder holds no run.

    Examples:
        >>> import wye
        >>> run = wye.train("joint/v1", data="shapes", max_steps=2, out="runs/v1", resume=True)
        >>> run.result["status"], run.recipe.row
        ('truncated', 'joint/v1')
        >>> 0 <= run.figures["accuracy"] <= 1
        True
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.folder = RunFolder(self.path)
        if not self.folder.holds_run:
            raise UsageError(
                f"{self.path} holds no run (no recipe.yaml in it);"
                " `wye train ROW` makes one under runs/"
            )

    @cached_property
    def recipe(self) -> Recipe:
        """The resolved recipe."""
        path = self.path / "recipe.yaml"
        content = read_text(path, yaml_text.load, LARGEST)
        if not isinstance(content, dict):
            raise MachineError(f"{path} is damaged: it holds no recipe")
        try:
            return validated(content)
        except UsageError as error:
            raise MachineError(f"{path} is damaged, or of another version: {error}") from None

    @cached_property
    def result(self) -> dict[str, Any] | None:
        """`result.json`, None while the run is unfinished."""
        return self._object("result.json", Result)

    @property
    def complete(self) -> bool:
        """Whether it was trained to its end and measured."""
        return self.result is not None and self.result["status"] == "complete"

    @property
    def figures(self) -> dict[str, float]:
        """Its metrics of one number, by name; none while it is unfinished."""
        return metrics_of(self.result or {})

    @cached_property
    def environment(self) -> dict[str, Any]:
        """`environment.json`."""
        return self._object("environment.json", Environment) or {}

    def say_version(self) -> None:
        """Say so if another version of wye made the run."""
        made = self.environment.get("wye", __version__)
        if made != __version__:
            logger.warning(
                "%s was made by wye %s; this is %s, which may measure or train it otherwise",
                *(self.path, made, __version__),
            )

    @cached_property
    def inspection(self) -> Inspection | None:
        """The run's own images, `data.json`; None of a run on a data set by name.

        Raises:
            MachineError: the file is damaged.
        """
        from wye.data.inspection import Inspection

        path = self.path / "data.json"
        return Inspection.read(path) if path.exists() else None

    @cached_property
    def config(self) -> dict[str, Any]:
        """`config.json`: what is needed to rebuild the network and feed it images.

        Raises:
            UsageError: the run is unfinished.
        """
        config = self._object("config.json", Config)
        if config is None:
            raise UsageError(
                f"{self.path} is not finished: it has no config.json; `wye train {self.path}"
                f" --resume --out {self.path}` goes on with it"
            )
        return config

    @cached_property
    def metrics(self) -> list[dict[str, Any]]:
        """The lines of `metrics.jsonl`."""
        path = self.path / "metrics.jsonl"
        if not path.exists():
            return []
        lines: list[dict[str, Any]] = read_text(
            path, lambda text: [from_json(line) for line in text.splitlines()]
        )
        return [checked(line, Epoch, path, f"line {at}") for at, line in enumerate(lines, 1)]

    def weights(self, which: str | None = None) -> dict[str, Tensor]:
        """The state dict of an epoch.

        Args:
            which: the `last` epoch or the `best` one on validation; None for the one that was
                measured (`evaluation.selection`).

        Raises:
            UsageError: another word, or there is no such epoch: none is best without validation.
            MachineError: the file is damaged.
        """
        if which not in (None, *EPOCHS):
            raise UsageError(f"no weights are called {which!r}; {suggest(str(which), EPOCHS)}")
        name = self.weights_file(which)
        if which == BEST and not (self.path / name).exists():
            raise UsageError(f"{self.path} has no best epoch: nothing was held out for validation")
        if name != "last.ckpt":
            return self._tensors(name)
        import torch

        from wye.training.restoring import unusable

        path = self.path / "last.ckpt"
        if path.exists():
            check_file(path)
        state = self.folder.read_checkpoint(torch.device("cpu"))
        if state is None:
            raise UsageError(f"{self.path} has no last.ckpt")
        weights: dict[str, Tensor] = state.get("network", {})
        if not isinstance(weights, dict):
            raise MachineError(f"{path} is damaged: it holds no weights by name")
        for key, value in weights.items():
            if fault := unusable(value):
                raise MachineError(f"{path} is damaged: {shown(key)} is {fault}")
        return weights

    def weights_file(self, which: str | None = None) -> str:
        """The name of the file that `weights` reads."""
        if which == BEST:
            return "best.safetensors"
        of_checkpoint = which == LAST and self.recipe.evaluation.selection != LAST
        return "last.ckpt" if of_checkpoint else "model.safetensors"

    def predictions(self) -> tuple[Tensor, Tensor]:
        """True and given class of the test images in their order, int64 `(N,)` each.

        Raises:
            UsageError: there are none: no classifier, or a run of an earlier version.
            MachineError: the file is damaged.
        """
        found = self._tensors("predictions.safetensors")
        damaged = f"{self.path / 'predictions.safetensors'} is damaged"
        for name in ("labels", "predicted"):
            if name not in found:
                raise MachineError(f"{damaged}: it has no {name}")
            if (kind := str(found[name].dtype).removeprefix("torch.")) != "int64":
                raise MachineError(f"{damaged}: {name} is {kind}, not int64")
        labels, predicted = found["labels"], found["predicted"]
        if labels.shape != predicted.shape or labels.ndim != 1 or not len(labels):
            raise MachineError(f"{damaged}: its labels and predictions are not of one list")
        return labels, predicted

    def examples(self) -> Examples | None:
        """What a gallery shows; None where there is no decoder.

        Raises:
            MachineError: the file is damaged.
        """
        return self._pictures("examples.safetensors", Examples)

    def mistakes(self) -> Mistakes | None:
        """Its worst mistakes on the test images; None where none were kept.

        Raises:
            MachineError: the file is damaged.
        """
        return self._pictures("mistakes.safetensors", Mistakes)

    def names_of(self, found: Examples | Mistakes) -> list[str]:
        """The files of own test images, else `test 17`; empty where it is not known which."""
        if found.indices is None:
            return []
        files = [] if self.inspection is None else self.inspection.of("test")
        places = found.indices.tolist()
        return [files[at].path if at < len(files) else f"test {at}" for at in places]

    def _facts(self) -> dict[str, str]:
        status = self.result["status"] if self.result else "unfinished"
        of_run = {"folder": str(self.path), "seed": str(self.recipe.seed), "status": status}
        return {**of_run, **shown_metrics(self.figures)}

    def __repr__(self) -> str:
        try:
            return as_text("wye.Run", self.recipe.row, self._facts())
        except WyeError as error:  # a damaged run can be shown, too
            return as_text("wye.Run", str(self.path), {"": str(error)})

    def _repr_html_(self) -> str:
        try:
            found, facts = self.examples(), self._facts()
            rows = {} if found is None else {"test images": found.originals}
            if found is not None:
                rows["their reconstructions"] = found.reconstructions
            return as_html("wye.Run", self.recipe.row, facts, strip(rows) if rows else "")
        except WyeError as error:
            return as_html("wye.Run", str(self.path), {"damaged": str(error)})

    def _tensors(self, name: str) -> dict[str, Tensor]:
        import safetensors.torch
        from safetensors import SafetensorError

        path = self.path / name
        if not path.exists():
            raise UsageError(f"{self.path} has no {name}")
        try:
            check_file(path)
            return safetensors.torch.load_file(path)
        except (SafetensorError, OSError, ValueError, KeyError, RuntimeError) as error:
            raise MachineError(f"{path} is damaged: {plain(str(error))[:200]}") from None

    def _pictures(self, name: str, kind: type[Kept]) -> Kept | None:
        if not (self.path / name).exists():
            return None
        try:
            return kind.read(self._tensors(name))
        except TypeError:
            raise MachineError(f"{self.path / name} is damaged: it has other parts") from None
        except ValueError as error:
            raise MachineError(f"{self.path / name} is damaged: {error}") from None

    def _object(self, name: str, model: type[BaseModel]) -> dict[str, Any] | None:
        path = self.path / name
        if not path.exists():
            return None
        content: dict[str, Any] = checked(read_text(path, from_json), model, path)
        return content


SEED = re.compile(r"^seed: (\d+)$", re.MULTILINE)


def complete_runs(root: Path) -> Iterator[Run]:
    """The complete runs at or under a folder, in the order of their paths.

    A damaged folder is left out with a warning; one whose settings are no recipe any more, or that
    was ended by a number of steps, without.
    """
    known: dict[str, Recipe] = {}
    for path in sorted(root.glob("**/result.json")):
        try:
            text = read_text(path.parent / "recipe.yaml", str, LARGEST)
            run = Run(path.parent)
            if run.complete and run.figures:
                vars(run)["recipe"] = _recipe(text, known)
                yield run
        except UsageError:
            continue
        except (WyeError, OSError, *yaml_text.FAULTS):
            logger.warning("%s is damaged; it is left out", path.parent)


def _recipe(text: str, known: dict[str, Recipe]) -> Recipe:
    """The recipe of a file's text; texts that differ in the seed alone are read once.

    Reading takes a millisecond, and there are hundreds of runs.
    """
    seeds = SEED.findall(text)
    if len(seeds) != 1:
        return validated(yaml_text.load(text))
    common = SEED.sub("seed: 0", text)
    if common not in known:
        known[common] = validated(yaml_text.load(common))
    return known[common].model_copy(update={"seed": int(seeds[0])})


def find_runs(root: Path = RUNS) -> Iterator[Run]:
    """Every run at or under a folder, in the order of their paths."""
    if (root / "recipe.yaml").exists():
        yield Run(root)
    for recipe in sorted(root.glob("*/**/recipe.yaml")):
        yield Run(recipe.parent)

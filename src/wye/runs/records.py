"""A record: what is kept of a finished run, one line of the table of results."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import shlex
import zlib
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    PrivateAttr,
    ValidationError,
    model_validator,
)

from wye.errors import MachineError, UsageError
from wye.metrics import METRICS, metric, metrics_of
from wye.recipe.identity import changes, digest, protocol_of
from wye.recipe.overrides import parse_overrides
from wye.recipe.resolve import PROTOCOLS, resolve
from wye.recipe.schema import Recipe, row_name
from wye.registry import suggest
from wye.runs.run import Run
from wye.studies import row_names
from wye.wording import in_line, shown, wording

Right = NDArray[np.bool_]
"""Whether each image of the test set was correctly classified, `(N,)`."""
DIGITS = 6
"""Significant digits of a metric in a file of records."""


def _known(found: dict[str, float]) -> dict[str, float]:
    for name in found:
        if name not in METRICS:
            raise ValueError(f"there is no metric {shown(name)}; {suggest(name, METRICS)}")
    return found


class Answers(BaseModel):
    """Which test images were correctly classified, compressed: a kilobyte for 10,000 images."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    images: Annotated[int, Field(gt=0, le=10**7)]
    labels: str
    """Digest of the true classes in their order: runs with another one saw other images."""
    right: str
    """Base64 of zlib of one bit per image."""

    @model_validator(mode="after")
    def _of_the_images(self) -> Answers:
        self.unpacked()
        return self

    @classmethod
    def of(cls, run: Run) -> Answers | None:
        """Those of a run; None where it kept no predictions."""
        try:
            labels, predicted = (tensor.numpy() for tensor in run.predictions())
        except UsageError:
            return None
        bits = np.packbits(labels == predicted)
        packed = base64.b64encode(zlib.compress(bits.tobytes(), 9)).decode()
        # numpy's int64 has the machine's order of bytes, a digest has none.
        seen = hashlib.sha256(labels.astype("<i8").tobytes()).hexdigest()[:16]
        return cls(images=len(labels), labels=seen, right=packed)

    def unpacked(self) -> Right:
        """Whether each image was correctly classified, `(N,)`.

        Raises:
            ValueError: it isn't what `of` packs.
        """
        length = math.ceil(self.images / 8)
        try:
            packed = base64.b64decode(self.right, validate=True)
            bits = zlib.decompressobj().decompress(packed, length + 1)
        except (zlib.error, ValueError) as error:
            raise ValueError(f"damaged answers: {error}") from None
        if len(bits) != length:
            raise ValueError(f"answers to {8 * len(bits)} images where {self.images} are told")
        return np.unpackbits(np.frombuffer(bits, np.uint8), count=self.images).astype(bool)


class Record(BaseModel):
    """What is kept of a finished run: the same for a run folder and for a line of a file.

    Attributes:
        protocol: under which its settings are its row's; None where they are under none.
        changes: its changed settings, as overrides, where they are its row's under none.
        digest: of the recipe, see `wye.recipe.identity.digest`.
        data: the data set, or the folder's name.
        judge: the row whose classifier judged the reconstructions; None without one.
        metrics: by name, as stored, of the test images and of training.
        best_on_test: accuracy of the epoch that happened to be best on the test set, where watched.
        images: test images; `evenly` those of classes of equal size whose mean varies as much as
            that over the classes.
        machine: the CPU's or GPU's name.
        commit: of the source tree, `+` behind it if that was changed.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, ignored_types=(cached_property,)
    )

    format: Literal[1] = 1
    row: Annotated[str, AfterValidator(row_name)]
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    protocol: Literal["paper", "short"] | None = None
    changes: tuple[str, ...] = ()
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    data: str
    judge: str | None = None
    metrics: Annotated[dict[str, FiniteFloat], AfterValidator(_known)]
    best_on_test: FiniteFloat | None = None
    images: int | None = None
    evenly: FiniteFloat | None = None
    epochs: int | None = None
    steps: int | None = None
    seconds: FiniteFloat | None = None
    images_per_second: FiniteFloat | None = None
    device: str | None = None
    machine: str | None = None
    threads: int | None = None
    precision: str | None = None
    python: str | None = None
    torch: str | None = None
    wye: str | None = None
    commit: str | None = None
    command: str | None = None
    answers: Answers | None = None

    _run: Run | None = PrivateAttr(None)

    @classmethod
    def of(cls, run: Run) -> Record:
        """The record of a finished run, without its answers, which stay in its folder.

        Raises:
            UsageError: the run is unfinished.
        """
        result, place, recipe = run.result, run.environment, run.recipe
        if result is None:
            raise UsageError(f"{run.path} is unfinished")
        is_row = recipe.row in row_names()
        images, evenly = images_of(result)
        judge = recipe.evaluation.judge
        known: dict[str, Any] = {
            "protocol": protocol_of(recipe),
            "changes": changes(recipe) if is_row else (),
            "digest": digest(recipe),
            "judge": result.get("judge") or (None if judge in ("none", "self") else judge),
            "metrics": metrics_of(result),
            "best_on_test": (result.get("best_on_test") or {}).get("accuracy"),
            "images": images,
            "evenly": evenly,
            "seconds": (result.get("seconds") or {}).get("train"),
            "machine": place.get("device_name"),
            "precision": result.get("precision"),
            "command": _command(run) if is_row else place.get("command"),
            **{key: result.get(key) for key in ("epochs", "steps", "images_per_second")},
            **{
                key: place.get(key)
                for key in ("device", "threads", "python", "torch", "wye", "commit")
            },
        }
        try:
            record = cls(row=recipe.row, seed=recipe.seed, data=recipe.data.name, **known)
        except ValidationError as error:
            raise UsageError(f"{run.path}: {_reason(error)}") from None
        record._run = run
        return record

    @classmethod
    def read(cls, line: str, where: str) -> Record:
        """The record that a line of a file holds.

        Raises:
            UsageError: it is none; the message says where.
        """
        try:
            return cls.model_validate_json(line)
        except ValidationError as error:
            raise UsageError(f"{where}: {_reason(error)}") from None

    def line(self) -> str:
        """The record as a line of a file: with the answers, numbers to six significant digits.

        The time of training stays in `seconds` and is no metric there: it is one machine's, with
        whatever else that did, and no claim may rest on it elsewhere.

        Raises:
            MachineError: the answers are not of the accuracy, or their file is damaged.
        """
        answers = self.answers or (Answers.of(self._run) if self._run else None)
        if answers and "accuracy" in self.metrics:
            right, accuracy = int(answers.unpacked().sum()), self.metrics["accuracy"]
            if abs(accuracy * answers.images - right) > 0.5 + 1e-6 * answers.images:
                raise MachineError(
                    f"{self.where}: its predictions or its result.json are damaged: {right:,} of"
                    f" {answers.images:,} images are right, and the accuracy is {accuracy:g}"
                )
        kept = self.model_copy(update={"answers": answers}).model_dump(
            mode="json", exclude_defaults=True
        )
        numbers = {key: _rounded(value) for key, value in kept.items() if isinstance(value, float)}
        metrics = {
            name: _rounded(value) for name, value in self.metrics.items() if name != "train_seconds"
        }
        whole = {"format": self.format, **kept, **numbers, "metrics": metrics}
        return json.dumps(whole, ensure_ascii=False, allow_nan=False)

    @property
    def run(self) -> Run | None:
        """The run folder that it was read from; None of a line of a file."""
        return self._run

    @property
    def where(self) -> str:
        """The run folder, or `shipped`."""
        return str(self._run.path) if self._run else "shipped"

    @property
    def origin(self) -> tuple[str | None, str | None, str | None]:
        """What pairs of runs must have in common: kind of machine, precision, and the judge."""
        return self.machine, self.precision, self.judge

    @property
    def key(self) -> tuple[object, ...]:
        """What two records of one table may not have in common."""
        return self.row, self.digest, self.seed, *self.origin

    @cached_property
    def recipe(self) -> Recipe:
        """The resolved recipe: the run folder's, or what row, protocol and changes stand for.

        Raises:
            UsageError: they stand for no recipe.
        """
        if self._run:
            return self._run.recipe
        found = resolve(
            self.row, parse_overrides(list(self.changes)), self.protocol or PROTOCOLS[0]
        )
        evaluation = found.evaluation
        if self.judge and evaluation.judge not in ("self", self.judge):
            evaluation = evaluation.model_copy(update={"judge": self.judge})
        return found.model_copy(update={"seed": self.seed, "evaluation": evaluation})

    @cached_property
    def stale(self) -> str:
        """Why it is of no recipe that is there today; empty where it is of one."""
        try:
            now = digest(self.recipe)
        except UsageError as error:
            return str(error)
        return "" if now == self.digest else f"the recipe of {self.row} has changed since"

    def images_behind(self, name: str) -> float | None:
        """How many test images metric `name`, a count, is of; None if the run does not say.

        Metrics that weigh each class the same have the variance of fewer images where classes are
        of unequal size.
        """
        return self.evenly if metric(name).counts == "classes" else self.images

    def answered(self) -> tuple[str, Right]:
        """The digest of the labels, and which test images were correctly classified.

        Raises:
            UsageError: it has none: no classifier, or a run of an earlier version.
            MachineError: the run's file is damaged.
        """
        found = self.answers or (Answers.of(self._run) if self._run else None)
        if found is None:
            raise UsageError(f"{self.where} keeps no predictions")
        return found.labels, found.unpacked()


def images_of(result: Mapping[str, Any]) -> tuple[int | None, float | None]:
    """`images` and `evenly` of a `result.json`; None where it doesn't say.

    The second is K^2 / sum 1/N_k, for K classes of N_k test images.
    """
    test = result.get("test") or {}
    counts = [count for count in map(sum, test.get("confusion") or ()) if count]
    evenly = len(counts) ** 2 / math.fsum(1 / count for count in counts) if counts else None
    return test.get("images") or sum(counts) or None, evenly


def _command(run: Run) -> str:
    """The command that does what the run did, wherever it was made from."""
    recipe = run.recipe
    words = ["wye", "train", recipe.row, *changes(recipe)]
    if (protocol := protocol_of(recipe)) not in (None, PROTOCOLS[0]):
        words += ["--protocol", str(protocol)]
    return shlex.join([*words, "--seed", str(recipe.seed)])


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def _reason(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    where = ".".join(map(str, first["loc"]))
    return f"{in_line(where)}: {wording(first)}" if where else wording(first)

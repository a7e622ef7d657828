"""What the files of a run folder may hold: the folder may be somebody else's, or edited."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from wye.errors import MachineError, message_of
from wye.files import opened
from wye.wording import plain, shown, wording

LARGEST = 64 << 20
"""Bytes of a text file that is read: ten thousand epochs, or a confusion matrix of 2,000 classes,
take some megabytes."""

MOST_VALUES = 80_000_000
"""Of an image: as many as the pixels of a picture that is decoded whole."""

# A mean of squares of larger ones would be infinite.
Number = Annotated[float, Field(ge=-1e39, le=1e39, allow_inf_nan=False)]
Whole = Annotated[int, Field(ge=0, lt=2**63)]
Side = Annotated[int, Field(ge=1, le=65_536)]
Shape = tuple[Annotated[int, Field(ge=1, le=1024)], Side, Side]
Numbers = dict[str, Number | None]


class Content(BaseModel):
    """Base of a file's content: what is known is checked, what another version adds is let be."""

    model_config = ConfigDict(strict=True, extra="allow")


class OfClass(Content):
    """What is measured of a class."""

    precision: Number | None = None
    recall: Number | None = None
    f1: Number | None = None
    support: Number | None = None


class Measured(Content):
    """What is measured of a part of the data: metrics by name, and these."""

    __pydantic_extra__: dict[str, Number | None]
    per_class: dict[str, OfClass] | None = None
    confusion: list[list[Whole]] | None = None

    @model_validator(mode="after")
    def _square(self) -> Measured:
        rows = self.confusion or []
        if any(len(row) != len(rows) for row in rows):
            raise ValueError("the confusion matrix is not square")
        return self


class Optimistic(Content):
    """The epoch that was best on the test set."""

    epoch: Whole
    accuracy: Number


class Result(Content):
    """`result.json`."""

    status: Literal["complete", "truncated"]
    seconds: Numbers
    test: Measured
    validation: Measured | None = None
    train: Numbers | None = None
    best_validation: Numbers | None = None
    best_on_test: Optimistic | None = None
    parameters: dict[str, Whole] | None = None
    row: str | None = None
    source: str | None = None
    data: str | None = None
    device: str | None = None
    precision: str | None = None
    selection: str | None = None
    judge: str | None = None
    seed: Whole | None = None
    epochs: Whole | None = None
    steps: Whole | None = None
    processes: Whole | None = None
    latent: Whole | None = None
    inputs: Whole | None = None
    multiply_adds: Whole | None = None
    images_per_second: Number | None = None


class Epoch(Content):
    """A line of `metrics.jsonl`."""

    epoch: Annotated[int, Field(ge=1, lt=2**31)]
    phase: str
    lr: Number | None
    seconds: Number | None = None
    images_per_second: Number | None = None
    train: Numbers | None = None
    validation: Numbers | None = None
    test: Numbers | None = None
    best: bool = False

    @model_validator(mode="after")
    def _best_is_validated(self) -> Epoch:
        if self.best and self.validation is None:
            raise ValueError("an epoch is best without validation")
        return self


class DoneEpoch(Epoch):
    """An epoch in the history of a checkpoint, from which `result.json` is made."""

    seconds: Number
    images_per_second: Number
    train: Numbers
    best: bool


class History(Content):
    """The epochs that are done."""

    history: list[DoneEpoch]


class Environment(Content):
    """`environment.json`: facts by name."""

    __pydantic_extra__: dict[str, str | Number | bool | list[str] | None]
    wye: str | None = None
    precision: str | None = None
    started: str | None = None
    commit: str | None = None
    python: str | None = None
    torch: str | None = None
    device: str | None = None
    device_name: str | None = None
    command: str | list[str] | None = None
    threads: Annotated[int, Field(ge=1, le=65_536)] | None = None


class Constants(Content):
    """The constants of a normalisation, of each channel or of all."""

    # What is divided by them stays a number of 32 bits.
    mean: Annotated[list[Annotated[Number, Field(ge=-1e6, le=1e6)]], Field(min_length=1)]
    deviation: Annotated[list[Annotated[Number, Field(ge=1e-30, le=1e30)]], Field(min_length=1)]


class Lines(Content):
    """The parts of a network in the notation."""

    model_config = ConfigDict(strict=True, extra="forbid")

    encoder: str
    decoder: str = "none"
    classifier: str = "none"


class OwnReading(Content):
    """How a user's own images were read, see `wye.data.reading.Reading`."""

    model_config = ConfigDict(strict=True, extra="forbid")

    size: Side = 32
    fit: Literal["crop", "pad", "stretch"] = "crop"
    low: Number | None = None
    high: Number | None = None
    ground: Literal["white", "black"] = "white"

    @model_validator(mode="after")
    def _rising(self) -> OwnReading:
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError("low is not below high")
        return self


class Reference(Content):
    """How the network did on images that it did not learn from, see `wye.runs.reference`."""

    model_config = ConfigDict(strict=True, extra="forbid")

    part: Literal["train", "validation"]
    images: Whole
    errors: Annotated[list[Annotated[Number, Field(ge=0)]], Field(max_length=1001)] = []
    temperature: Annotated[Number, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _rising(self) -> Reference:
        if any(one > next_one for one, next_one in pairwise(self.errors)):
            raise ValueError("the errors do not rise")
        return self


class SeveralViews(Content):
    """`views` of `config.json`, see `wye.evaluation.views.Views`."""

    mirror: bool
    shift: Annotated[int, Field(ge=0, le=64)]


class Config(Content):
    """`config.json`."""

    format: Literal[1]
    row: str
    network: Lines
    classes: Annotated[list[str], Field(min_length=1, max_length=1_000_000)]
    shape: Shape
    pixels: Shape = (1, 1, 1)
    outputs: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    precision: Literal["fp32", "bf16"] = "fp32"
    image_size: Side
    norm_eps: Annotated[Number, Field(gt=0)] | None = None
    prepare: str
    view: str = ""
    views: SeveralViews | None = None
    reading: OwnReading | None = None
    inputs: Constants
    targets: Constants
    reference: Reference | None = None

    @model_validator(mode="after")
    def _of_the_channels(self) -> Config:
        for constants in (self.inputs, self.targets):
            counts = {len(constants.mean), len(constants.deviation)}
            if not counts <= {1, self.shape[0]}:
                raise ValueError(f"the normalisation is not of {self.shape[0]} channels")
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("two classes have one name")
        if self.views and self.views.shift >= min(self.shape[1:]):
            raise ValueError(
                f"views.shift={self.views.shift}: images of {self.shape[1]}x{self.shape[2]} cannot"
                " be moved so far"
            )
        return self

    @model_validator(mode="after")
    def _of_a_size_that_fits(self) -> Config:
        sizes = {
            "shape": self.shape,
            "pixels": self.pixels,
            "image_size": (self.pixels[0], self.image_size, self.image_size),
        }
        if self.reading:
            sizes["reading.size"] = (self.pixels[0], self.reading.size, self.reading.size)
        for name, size in sizes.items():
            if math.prod(size) > MOST_VALUES:
                raise ValueError(
                    f"{name}: images of {'x'.join(map(str, size))} are too large;"
                    f" {MOST_VALUES // 10**6} million values are the most"
                )
        return self


class Event(Content):
    """A line of `journal.jsonl`."""

    time: str
    event: str


def read_text(path: Path, parse: Callable[[str], Any], largest: int = LARGEST) -> Any:
    """What `parse` makes of a text file of a run folder, of at most `largest` bytes.

    Raises:
        MachineError: it cannot be read, or is too large or no such text.
    """
    try:
        with opened(path) as file:
            written = file.read(largest + 1)
        if len(written) > largest:
            raise ValueError(f"it has more than {largest / 1e6:.0f} MB")
        return parse(written.decode())
    except MachineError:
        raise
    except OSError as error:
        raise MachineError(f"cannot read {path}: {error.strerror or error}") from None
    except RecursionError:
        raise MachineError(f"{path} is damaged: it is nested too deeply") from None
    except Exception as error:  # YAML's readers raise whatever the types that it names do
        reason = " ".join(plain(str(error)).split())[:80]
        raise MachineError(f"{path} is damaged: {reason or type(error).__name__}") from None


def from_json(text: str) -> Any:
    """JSON in which every number is one.

    Raises:
        ValueError: it is no JSON, or has a number that JSON does not have.
    """

    def refused(word: str) -> Any:
        raise ValueError(f"{word} is no number")

    return json.loads(text, parse_constant=refused)


def checked(content: Any, model: type[BaseModel], path: Path, where: str = "") -> Any:
    """The content of a file, which fits a model.

    Args:
        path: the file.
        where: of the content within the file, for the message.

    Raises:
        MachineError: it does not; the message names the file and the place in it.
    """
    try:
        model.model_validate_json(json.dumps(content))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in (where, *first["loc"]) if part != "")
        about = "" if first["type"] in ("missing", "value_error") else f"={shown(first['input'])}"
        raise MachineError(
            plain(
                f"{path} is damaged: {f'{place[:200]}{about}: ' if place else ''}{wording(first)}"
            )
        ) from None
    except (RecursionError, TypeError, ValueError) as error:
        raise MachineError(f"{path} is damaged: {plain(message_of(error))[:80]}") from None
    return content

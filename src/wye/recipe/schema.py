"""The recipe: every setting of a run, typed, with the reason for each default beside it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from wye.recipe.schedules import ScheduleSettings
from wye.streams import STREAMS

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(gt=0)]
ImageSize = Annotated[int, Field(ge=4, le=1024)]


class Settings(BaseModel):
    """Base of every part of a recipe: unknown keys are refused, values don't change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DataSettings(Settings):
    """Which images, how they are prepared, and what the decoder is asked to give back."""

    name: str = "cifar10"
    """A data set by name, or the path of a folder of images by class."""
    per_class: Count | None = None
    """Keep this many training images of each class; all of them if not given."""
    validation: Annotated[float, Field(ge=0, le=0.5)] = 0.05
    """Share of the training images held out, stratified, to watch training."""
    channels: Literal[1, 3] | None = None
    """Grey or colour whatever the data set has; its own if not given."""
    image_size: ImageSize | None = None
    """Side that a folder's images are resized to; built-in sets keep their own."""
    prepare: str = ""
    """Transformations of every image, training and test, done once: `resize(72) > centre(64)`."""
    augment: str = ""
    """Random transformations of each training batch, input and target alike: `flip > crop(4)`."""
    corrupt: str = ""
    """Transformations of the input alone, in training and evaluation: `noise(0.3)`."""
    normalize: Literal["none", "imagenet", "dataset"] = "dataset"
    """Mean and deviation taken off the input: of ImageNet, of these training images, or none."""
    target: Literal["normalized", "unit"] = "normalized"
    """Range of the decoder's target: that of the input, or [0, 1]."""


class NetworkSettings(Settings):
    """The three lines of a network in the notation, and how its weights begin."""

    encoder: str
    decoder: str = "mirror"
    """A line, `mirror` to derive it from the encoder, or `none`."""
    classifier: str = "none"
    """A line or `none`; the word `classes` in it stands for the number of classes."""
    init: Literal["default", "he", "dirac"] = "default"


class LossSettings(Settings):
    """Weights of the terms of the objective."""

    alpha: NonNegative = 1.0
    """Classification: cross-entropy, mean over images."""
    beta: NonNegative = 1.0
    """Reconstruction: squared error, mean over images, pixels and channels."""
    gamma: NonNegative = 0.0
    """L2: half the sum of squares of all parameters."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0


def _stop(value: Any) -> Any:
    return {"patience": value} if isinstance(value, int) and not isinstance(value, bool) else value


class EarlyStopping(Settings):
    """Stop a phase once the watched validation figure has not improved for some epochs."""

    patience: Count


class TrainSettings(Settings):
    """How the weights change; a phase may change any of it."""

    epochs: Count = 10
    batch_size: Count = 128
    optimizer: Literal["sgd", "adam", "adamw", "adagrad", "rmsprop", "muon"] = "sgd"
    """muon: Muon for the convolutions of encoder and classifier, AdamW for the rest."""
    lr: Positive = 0.01
    others_lr: Positive = 0.01
    """AdamW's rate beside Muon's."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    nesterov: bool = False
    weight_decay: NonNegative = 0.0
    decay_norms: bool = True
    """Whether weight decay reaches biases and normalisation layers, as PyTorch's default does."""
    schedule: ScheduleSettings = Field(default_factory=lambda: ScheduleSettings(kind="constant"))
    early_stopping: Annotated[EarlyStopping, BeforeValidator(_stop)] | None = None
    monitor: Literal["auto", "accuracy", "loss", "reconstruction"] = "auto"
    """Validation figure for early stopping, plateau and the best epoch; auto: accuracy where a
    classifier is trained, else reconstruction."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """auto: bf16 on a GPU, and for convolutions on a processor found quick at it."""


class EvaluationSettings(Settings):
    """How a trained network is measured."""

    selection: Literal["last", "best"] = "last"
    """Weights that are measured: of the last epoch or of the best one on validation."""
    watch_test: bool = False
    """Also write down the test figures of each epoch. Nothing is chosen by them."""
    mirror_views: bool = False
    """Classify the mean of an image and its mirror image."""


class Phase(Settings):
    """One stretch of training. What is not given is as in `train` and `loss`."""

    name: str = ""
    epochs: Count
    loss: dict[str, float] = Field(default_factory=dict)
    train: dict[str, Any] = Field(default_factory=dict)
    freeze: tuple[str, ...] = ()
    """Parts or layers that are held: `encoder`, `encoder[0:3]`, `classifier[2]`."""
    carry_on: bool = False
    """Go on with the optimiser and the schedule of the phase before, as one stretch of training;
    such a phase has no `train` settings and freezes nothing of its own."""
    image_size: ImageSize | None = None
    """Side that training images are resized to in this phase; their own if not given. Validation
    and test keep theirs, so the network must take both."""

    @model_validator(mode="after")
    def _carries_on_unchanged(self) -> Phase:
        if self.carry_on and (self.train or self.freeze):
            raise ValueError("a phase with carry_on has no train settings and no freeze of its own")
        return self

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        """`{epochs: 20, lr: 0.001}` stands for `{epochs: 20, train: {lr: 0.001}}`."""
        if not isinstance(value, dict):
            return value
        flat = {key for key in value if key in TrainSettings.model_fields and key != "epochs"}
        kept = {key: entry for key, entry in value.items() if key not in flat}
        return {**kept, "train": {**value.get("train", {}), **{k: value[k] for k in flat}}}


class Recipe(Settings):
    """Everything that defines a run. Two runs of equal recipes on one device give equal weights."""

    row: str
    study: str | None = None
    source: str | None = None
    """Id of the published system in the fact sheet, for instance S0-25."""
    title: str = ""
    constraint: str = "complete"
    notes: tuple[str, ...] = ()
    """What was chosen where the study is silent, and faults it is known to have."""
    published: dict[str, float | None] = Field(default_factory=dict)
    published_data: str | None = None
    control_of: str | None = None
    """The faithful row that this row is the corrected or matched form of."""

    data: DataSettings = Field(default_factory=DataSettings)
    network: NetworkSettings
    loss: LossSettings = Field(default_factory=LossSettings)
    train: TrainSettings = Field(default_factory=TrainSettings)
    phases: tuple[Phase, ...] = ()
    """Stretches of training in order; none means one that lasts all `train.epochs`."""
    evaluation: EvaluationSettings = Field(default_factory=EvaluationSettings)
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    seeds: dict[str, int] = Field(default_factory=dict)
    """Seeds of single streams: subset, split, weights, order, augmentation, noise."""

    @model_validator(mode="after")
    def _consistent(self) -> Recipe:
        if unknown := sorted(set(self.seeds) - set(STREAMS)):
            raise ValueError(f"seeds.{unknown[0]}: no such stream; known: {', '.join(STREAMS)}")
        if self.network.decoder == "none" and self.network.classifier == "none":
            raise ValueError("network: without a decoder and a classifier nothing is trained")
        for phase in self.resolved_phases():
            where = f"phase {phase.name!r}: " if self.phases else ""
            if phase.loss.beta > 0 and self.network.decoder == "none":
                raise ValueError(
                    f"{where}loss.beta={phase.loss.beta:g} needs a decoder, and network.decoder is"
                    " none; set loss.beta=0 or network.decoder=mirror"
                )
            if phase.loss.alpha > 0 and self.network.classifier == "none":
                raise ValueError(
                    f"{where}loss.alpha={phase.loss.alpha:g} needs a classifier, and"
                    " network.classifier is none; set loss.alpha=0 or give a classifier"
                )
            if phase.loss.alpha == 0 and phase.loss.beta == 0:
                raise ValueError(f"{where}loss: alpha and beta are both 0, so nothing is learned")
        if self.phases and sum(p.epochs for p in self.phases) != self.train.epochs:
            raise ValueError(
                f"train.epochs is {self.train.epochs}, but the phases last"
                f" {sum(p.epochs for p in self.phases)} epochs in all"
            )
        return self

    def resolved_phases(self) -> tuple[ResolvedPhase, ...]:
        """The phases with every setting explicit."""
        if not self.phases:
            return (ResolvedPhase(name="joint", loss=self.loss, train=self.train),)
        resolved: list[ResolvedPhase] = []
        for index, phase in enumerate(self.phases, start=1):
            carried = resolved[-1] if phase.carry_on and resolved else None
            base = carried.train if carried else self.train
            resolved.append(
                ResolvedPhase(
                    name=phase.name or f"phase {index}",
                    loss=LossSettings.model_validate({**self.loss.model_dump(), **phase.loss}),
                    train=TrainSettings.model_validate(
                        {**base.model_dump(), **phase.train, "epochs": phase.epochs}
                    ),
                    freeze=carried.freeze if carried else phase.freeze,
                    carry_on=carried is not None,
                    image_size=phase.image_size,
                )
            )
        return tuple(resolved)


class ResolvedPhase(Settings):
    """A phase with nothing left to look up elsewhere."""

    name: str
    loss: LossSettings
    train: TrainSettings
    freeze: tuple[str, ...] = ()
    carry_on: bool = False
    image_size: int | None = None

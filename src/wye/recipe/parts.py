"""The parts of a recipe, from data to evaluation: each setting with its meaning."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from wye.recipe.schedules import ScheduleSettings
from wye.recipe.settings import (
    NUMBER,
    Count,
    ImageSize,
    NonNegative,
    Positive,
    Settings,
    Share,
)


def _no_truth(value: Any) -> Any:
    # Literal takes true for 1, which it equals.
    if isinstance(value, bool):
        raise PydanticCustomError("literal", "it should be 1 or 3")
    return value


class DataSettings(Settings):
    """Which images, how they are prepared, and what the decoder is asked to give back."""

    name: Annotated[str, Field(min_length=1)] = "cifar10"
    """A data set by name, or the path of a folder of images by class."""
    per_class: Count | None = None
    """Keep this many training images of each class; all of them if not given."""
    limit: dict[str, Count] = Field(default_factory=dict)
    """Keep at most this many training images of single classes: `{bird: 2500}`."""
    balance: Literal["none", "oversample"] = "none"
    """oversample: repeat training images of the smaller classes, after the validation part is taken
    off, until each class has as many as the largest."""
    validation: Annotated[float, Field(ge=0, le=0.5), NUMBER] = 0.05
    """Share of the training images held out, stratified, to watch training."""
    channels: Annotated[Literal[1, 3], BeforeValidator(_no_truth)] | None = None
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
    """A line of the notation, from the image to the latent."""
    decoder: str = "mirror"
    """A line, `mirror` to derive it from the encoder, or `none`."""
    classifier: str = "none"
    """A line or `none`; the word `classes` in it stands for the number of classes."""
    init: Literal["default", "he", "glorot", "dirac"] = "default"
    """First weights: PyTorch's, He's normal ones, or convolutions that pass their input on."""


class LossSettings(Settings):
    """Weights of the terms of the objective."""

    alpha: NonNegative = 1.0
    """Classification: cross-entropy, mean over images."""
    beta: NonNegative = 1.0
    """Reconstruction: squared error, mean over images, pixels and channels."""
    gamma: NonNegative = 0.0
    """L2: half the sum of squares of all parameters."""
    label_smoothing: Share = 0.0
    """Share of each label that is spread evenly over all classes, in training only."""


def _stop(value: Any) -> Any:
    return {"patience": value} if isinstance(value, int) and not isinstance(value, bool) else value


class EarlyStopping(Settings):
    """Stop a phase once the watched validation figure has not improved for some epochs."""

    patience: Count
    """Epochs without improvement; `early_stopping: 5` is short for `{patience: 5}`."""


class PhaseTraining(Settings):
    """How the weights change, but for how long; a phase may change any of it."""

    batch_size: Count = 128
    """Images a step."""
    optimizer: Literal["sgd", "adam", "adamw", "adagrad", "rmsprop", "muon"] = "sgd"
    """muon: Muon for the convolutions of encoder and classifier, AdamW for the rest."""
    lr: Positive = 0.01
    """Learning rate, which the schedule scales."""
    others_lr: Positive = 0.01
    """AdamW's rate beside Muon's."""
    momentum: Share = 0.0
    """Momentum of sgd, rmsprop and muon."""
    nesterov: bool = False
    """Nesterov's form of momentum, for sgd."""
    weight_decay: NonNegative = 0.0
    """Weight decay of the optimiser."""
    decay_norms: bool = True
    """Whether weight decay reaches biases and normalisation layers, as PyTorch's default does."""
    schedule: ScheduleSettings = Field(default_factory=lambda: ScheduleSettings(kind="constant"))
    """How the rate changes: a kind by its name, or its settings."""
    early_stopping: Annotated[EarlyStopping, BeforeValidator(_stop)] | None = None
    """Stop a phase that no longer improves on validation; never if not given."""
    monitor: Literal["auto", "accuracy", "loss", "reconstruction"] = "auto"
    """Validation figure for early stopping, plateau and the best epoch; auto: accuracy where a
    classifier is trained, else reconstruction."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """auto: bf16 on a GPU, and for convolutions on a processor found quick at it."""


class Length(Settings):
    """How long training lasts."""

    epochs: Count = 10
    """Passes over the training images; an override fits the schedule and the phases to it."""


class TrainSettings(PhaseTraining, Length):
    """How the weights change, and for how long."""


class EvaluationSettings(Settings):
    """How a trained network is measured."""

    selection: Literal["last", "best"] = "last"
    """Weights that are measured: of the last epoch or of the best one on validation."""
    watch_test: bool = False
    """Also write down the test figures of each epoch. Nothing is chosen by them."""
    mirror_views: bool = False
    """Classify the mean of an image and its mirror image."""

"""The parts of a recipe, from data to evaluation: each setting with its meaning."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from wye.objective import TERMS
from wye.recipe.schedules import Constant, Schedule
from wye.recipe.settings import (
    NUMBER,
    WHOLE,
    Count,
    Fraction,
    ImageSize,
    NonNegative,
    Positive,
    Rest,
    Settings,
)

HUB = "hf:"
"""Begins the name of a data set of the package `datasets`."""
PICTURES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".bmp", ".dib", ".gif", ".webp"),
    *(".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".pfm", ".tga", ".jp2", ".j2k", ".avif"),
    *(".heic", ".heif", ".hif"),
)
"""Of files that are read where Pillow, with the plug-ins that are here, can read them."""
OWN_FILES = (".csv", ".tsv", ".jsonl", ".ndjson", ".npz", ".npy")
"""Suffixes of files that hold, or name, a person's own images."""

LAST, BEST = "last", "best"
EPOCHS = (LAST, BEST)
"""The epochs of a run whose weights are kept."""


def _no_truth(value: Any) -> Any:
    # Literal takes true for 1, which it equals.
    if isinstance(value, bool):
        raise PydanticCustomError("literal", "it should be 1 or 3")
    return value


class DataSettings(Settings):
    """Which images, how they are prepared, and what the decoder is asked to give back."""

    name: Annotated[str, Field(min_length=1)] = "cifar10"
    """A data set by name, or the path of own images: a folder by class, a table of path and label
    (.csv, .tsv, .jsonl), arrays (.npz, .npy); or `hf:` and a name on the hub of the package
    `datasets`."""
    per_class: Count | None = None
    """Keep this many training images of each class; all of them if not given."""
    limit: dict[str, Count] = Field(default_factory=dict)
    """Keep at most this many training images of single classes: `{bird: 2500}`."""
    labels_per_class: Count | None = None
    """Keep the labels of this many training images of each class, after the validation part is
    taken off; the others are left to `train.unlabelled`. All labels if not given."""
    imbalance: Annotated[float, Field(ge=1, allow_inf_nan=False), NUMBER] = 1.0
    """How many times as many images as the last class the first one keeps (with `labels_per_class`:
    labels), the others between them in a geometric row: the long tail of Cui et al. 2019."""
    classes: tuple[str, ...] = ()
    """Only these classes of the data set, in this order; all of them if not given."""
    balance: Literal["none", "oversample", "draw", "weighted", "smote"] = "none"
    """What is done about classes of unequal size, after the validation part is taken off.
    oversample: whole copies of the smaller classes until each has as many images as the largest;
    draw: images of the smaller classes drawn with replacement instead; weighted: each epoch draws
    all its images with replacement, every class as often; smote: new images between neighbours of
    a smaller class (Chawla et al. 2002)."""
    validation: Annotated[float, Field(ge=0, le=0.5), NUMBER] = 0.05
    """Fraction of the training images held out, stratified, to watch training."""
    channels: Annotated[Literal[1, 3], BeforeValidator(_no_truth)] | None = None
    """Grey or colour whatever the data set has; its own if not given."""
    image_size: ImageSize | None = None
    """Side that own images are resized to; built-in sets keep theirs."""
    fit: Literal["crop", "pad", "stretch"] = "crop"
    """How own images that are not square become so. crop: the ends of the longer side are cut off;
    pad: a border is added, in the colour of the image's rim; stretch: proportions change."""
    duplicates: Literal["keep", "drop"] = "keep"
    """Own images that are there more than once. drop: one file of each picture is kept, the test
    part's first, and none of a picture that has two classes."""
    prepare: str = ""
    """Transformations of every image, training and test, done once: `resize(72) > centre(64)`."""
    prepare_test: str = ""
    """Further transformations of the test images alone, done once."""
    copies: tuple[str, ...] = ()
    """The training images several times over, each copy under a line of its own, done once:
    `["", "flip(1)", "noise(1)"]`. An empty line leaves them as they are."""
    augment: str = ""
    """Random transformations of each training batch, input and target alike: `flip > crop(4)`."""
    alternate_flip: bool = False
    """Mirror a random half of the training images in the first epoch, the others in the second, and
    so on, before `augment`: in any two epochs an image is seen both ways (instead of `flip`)."""
    augmented_target: bool = True
    """false: the decoder is asked for the image as it was before `augment`."""
    view: str = ""
    """Transformations of validation and test batches where `augment` changes the size of training
    images: `resize(256) > centre(224)`."""
    corrupt: str = ""
    """Transformations of the input alone: `noise(0.3)`."""
    corrupt_in: Literal["everywhere", "training", "decoder"] = "everywhere"
    """Which images are corrupted: all; those that are trained on, for both branches (an
    augmentation by noise: batch normalisation then knows noisy images, and the test has none); or
    those that the decoder's branch is trained on, while the classifier sees clean ones and batch
    normalisation keeps their statistics."""
    normalize: Literal["none", "imagenet", "dataset"] = "dataset"
    """Mean and standard deviation that the input is normalised by: ImageNet's, those of these
    training images, or none."""
    target: Literal["normalized", "unit"] = "normalized"
    """Range of the decoder's target: that of the input, or [0, 1]."""


class NetworkSettings(Settings):
    """The three lines of a network in the notation, and how its weights begin."""

    encoder: str
    """A line of the notation, from the image to the latent."""
    decoder: str = "mirror"
    """A line, `mirror` to derive it from the encoder, or `none`; the word `image` in it stands for
    the image's shape and `values` for the number of its values: `L'(values) > R(image)`."""
    classifier: str = "none"
    """A line or `none`; the word `classes` in it stands for the number of classes."""
    init: Literal["default", "he", "glorot", "dirac"] = "default"
    """First weights: PyTorch's, He's normal ones, Glorot's uniform ones (Keras), or convolutions
    that pass their input on."""
    outputs: Count | None = None
    """Outputs of the classifier where there are more than classes; the others are never right."""
    norm_momentum: Annotated[float, Field(gt=0, le=1), NUMBER] | None = None
    """Weight of a batch's statistics in the running ones of batch normalisation (Keras: 0.01);
    PyTorch's 0.1, or a backbone's own, if not given."""
    norm_eps: Positive | None = None
    """What batch normalisation adds to the variance (Keras: 0.001); PyTorch's 0.00001, or a
    backbone's own, if not given."""
    range_check: bool = True
    """false: train a decoder whose last activation cannot give what its target asks for."""


class FeatureSettings(Settings):
    """The network whose features the feature term compares, and where."""

    network: str = "vgg16_bn"
    """A backbone by name."""
    layers: tuple[Count, ...] = (5, 12, 22)
    """Positions in its `features` whose outputs are compared."""
    weights: tuple[Positive, ...] = (30.0, 20.0, 10.0)
    """Weight of the squared error at each."""
    gram: NonNegative = 5000.0
    """Weight of the squared error of the Gram matrices, times the square of each weight."""
    normalize: bool = False
    """Whether images are normalised as the network was trained; study S4 did not."""

    @model_validator(mode="after")
    def _a_weight_each(self) -> FeatureSettings:
        if len(self.layers) != len(self.weights):
            raise ValueError(
                f"{len(self.layers)} layers need as many weights, not {len(self.weights)}"
            )
        return self


class LossSettings(Settings):
    """Weights of the terms of the objective.

    A term that is registered beyond these (`wye.objective`) has its weight here too, 0 if not
    given.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, NonNegative] = Field(init=False)

    alpha: NonNegative = 1.0
    """Classification: cross-entropy, mean over images."""
    beta: NonNegative = 1.0
    """Reconstruction: `error`, mean over images, pixels and channels."""
    gamma: NonNegative = 0.0
    """L2: half the sum of squares of all parameters."""
    delta: NonNegative = 0.0
    """Jigsaw: squared error of the image reconstructed from its shuffled tiles."""
    phi: NonNegative = 0.0
    """Features: what a pretrained network sees in the image and in its reconstruction."""
    error: Literal["mse", "mae", "bce", "log_mse"] = "mse"
    """Reconstruction error: squared, absolute, binary cross-entropy (a target in [0, 1]), or the
    logarithm of each image's squared error, which is what the mean PSNR measures."""
    jigsaw_grid: Annotated[int, Field(ge=2, le=64), WHOLE] = 4
    """Tiles a side of the jigsaw; it must divide the image."""
    features: FeatureSettings = Field(default_factory=FeatureSettings)
    """What phi weighs."""
    class_weights: Literal["none", "balanced"] | dict[str, Positive] = "none"
    """Weight of each class in the cross-entropy: balanced is inversely as its number of training
    images; `{bird: 2}` weighs single ones, the others 1."""
    label_smoothing: Fraction = 0.0
    """Fraction of each label that is spread evenly over all classes, in training only."""

    @model_validator(mode="before")
    @classmethod
    def _known_weights(cls, value: Any) -> Any:
        known = cls.known()
        stray = [key for key in value if key not in known] if isinstance(value, dict) else []
        if stray:
            raise PydanticCustomError("unknown_setting", "{key}", {"key": stray[0]})
        return value

    def weights(self) -> dict[str, float]:
        """The weight of each registered term, by the term's name."""
        return {term.name: getattr(self, term.weight, 0.0) for term in TERMS.values()}

    @classmethod
    def known(cls) -> list[str]:
        """Its own settings, and the weights of all terms that are registered."""
        return list(dict.fromkeys([*cls.model_fields, *(term.weight for term in TERMS.values())]))

    @classmethod
    def meanings(cls) -> dict[str, str]:
        """The text under each field, and what the terms say of their weights."""
        return {**{term.weight: term.meaning for term in TERMS.values()}, **super().meanings()}


def _norms(value: Any) -> Any:
    return {True: "all", False: "none"}[value] if isinstance(value, bool) else value


def _stop(value: Any) -> Any:
    return {"patience": value} if isinstance(value, int) and not isinstance(value, bool) else value


class EarlyStopping(Settings):
    """Stop a phase once the watched validation metric has not improved for some epochs."""

    patience: Count
    """Epochs without improvement; `early_stopping: 5` is short for `{patience: 5}`."""


class PhaseTraining(Settings):
    """How the weights change, but for how long; a phase may change any of it."""

    batch_size: Count = 128
    """Images per step."""
    drop_last: bool = False
    """Whether an epoch leaves out a last batch that isn't full, unless it is the only one."""
    unlabelled: Rest = 0
    """Further images of each step, drawn from all training images whatever label they have: for the
    terms that need no label."""
    optimizer: Literal["sgd", "adam", "adamw", "adagrad", "rmsprop", "muon"] = "sgd"
    """muon: Muon for the convolutions of encoder and classifier, AdamW for the rest."""
    lr: Positive = 0.01
    """Learning rate, which the schedule scales."""
    first_lr: Positive | None = None
    """Rate of the first group of layers, from which the rates of the others rise evenly in the
    logarithm to lr at the last (discriminative rates); lr for all if not given."""
    encoder_lr: Positive | None = None
    """Rate of the encoder's layers, in place of first_lr; lr if not given."""
    others_lr: Positive = 0.01
    """AdamW's rate beside Muon's."""
    momentum: Fraction = 0.0
    """Momentum of sgd, rmsprop and muon."""
    beta2: Fraction = 0.999
    """Decay of the mean square of gradients in adam and adamw."""
    eps: Positive | None = None
    """What adam, adamw, adagrad and rmsprop add to the root that they divide by; PyTorch's own if
    not given (1e-8, for adagrad 1e-10)."""
    nesterov: bool = False
    """Nesterov's form of momentum, for sgd."""
    weight_decay: NonNegative = 0.0
    """Weight decay of the optimiser."""
    decay_norms: bool = True
    """Whether weight decay reaches biases and normalisation layers, as PyTorch's default does."""
    freeze_norms: Annotated[Literal["all", "affine", "none"], BeforeValidator(_norms)] = "all"
    """What `freeze` holds of batch normalisation in frozen layers. all, or true: its statistics and
    its scale and shift, as Keras does; affine: scale and shift alone, while the statistics go on
    moving, as with PyTorch's requires_grad; none, or false: nothing, as fastai does."""
    schedule: Schedule = Constant()
    """How the rate changes: a kind by its name, or its settings."""
    early_stopping: Annotated[EarlyStopping, BeforeValidator(_stop)] | None = None
    """Stop a phase that no longer improves on validation; never if not given."""
    monitor: Literal["auto", "accuracy", "loss", "reconstruction"] = "auto"
    """Validation metric for early stopping and, in the last phase, for the best epoch of the run;
    auto: accuracy where a classifier is trained, else reconstruction."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """auto: bf16 on a GPU, and for convolutions on a CPU found quick at it."""


class Length(Settings):
    """How long training lasts."""

    epochs: Count = 10
    """Passes over the training images; an override fits the schedule and the phases to it."""
    steps: Count | None = None
    """Steps of an epoch, which then goes over the labelled images as often as that takes; one pass
    if not given."""


class TrainSettings(PhaseTraining, Length):
    """How the weights change, and for how long."""


class EvaluationSettings(Settings):
    """How a trained network is measured."""

    selection: Literal["last", "best"] = "last"
    """Weights that are measured: of the last epoch, or of the best one of all phases by the last
    phase's `monitor`."""
    watch_test: bool = False
    """Also write down the test metrics of each epoch. Nothing is chosen by them."""
    mirror_views: bool = False
    """Classify the mean of an image and its mirror image."""
    shifted_views: Annotated[int, Field(ge=0, le=64)] = 0
    """Classify with half the weight the image moved by so many pixels, up and left, and down and
    right."""
    judge: Annotated[str, Field(min_length=1)] = "none"
    """Classifier that is asked to name the reconstructions (`judge_accuracy`): a row, a run folder,
    `none`, or `self` for this network's own; a row is trained where no run of it is found."""
    corrupt: str = ""
    """Transformations of the test images under which they are reconstructed once more, to be
    compared with the clean ones (`denoised_psnr`, `denoised_mse`): `noise(1)`."""
    ssim_range2: bool = False
    """Also report SSIM as scikit-image 0.18 had it by default for floats, with data range 2: the
    value that study S1 printed."""
    splits: Count = 1
    """Random splits that the study ran, one per seed: `wye train ROW --splits` runs them all."""


FITTING = "fitting"
"""In place of layers: all that fit."""


class TransferSettings(Settings):
    """Weights that are taken over from the run of another row before training begins."""

    row: str
    """The row, which is trained first where no run of it is found; or a run folder."""
    layers: tuple[str, ...] = ("encoder",)
    """Parts or layers to take over, counted as in `freeze`: `encoder[0:3]`; `[fitting]`: all that
    both networks have, but for the classifier's last where the classes are others."""

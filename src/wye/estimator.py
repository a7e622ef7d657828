"""The supervised autoencoder as a scikit-learn classifier and transformer."""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from wye.data.images import Images
from wye.data.normalization import normalization
from wye.data.prepare import Prepared
from wye.data.transforms import pipeline
from wye.errors import UsageError
from wye.network.build import build_network
from wye.network.whitening import initialise_whitening
from wye.recipe.overrides import validated
from wye.recipe.schema import Recipe
from wye.runs.model import Model
from wye.runs.results import config_of
from wye.streams import Streams
from wye.training.loop import Trainer
from wye.training.precision import channels_last, choose_precision
from wye.training.ranks import choose_device

try:
    from sklearn.base import (
        BaseEstimator,
        ClassifierMixin,
        ClassNamePrefixFeaturesOutMixin,
        TransformerMixin,
    )
    from sklearn.utils import check_random_state
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
except ImportError:
    raise UsageError(
        "wye.SupervisedAutoencoder needs scikit-learn: pip install 'wye[sklearn]'"
    ) from None

EPOCHS, STEPS = 10, 10
"""What `epochs=None` stands for: epochs of at least so many steps, however few images there are."""
UNLABELLED = -1


class SupervisedAutoencoder(
    ClassNamePrefixFeaturesOutMixin,  # type: ignore[misc]
    ClassifierMixin,  # type: ignore[misc]
    TransformerMixin,  # type: ignore[misc]
    BaseEstimator,  # type: ignore[misc]
):
    """A classifier that also reconstructs: one encoder, a decoder and a classifier.

    Images are `(N, H, W)`, `(N, H, W, C)`, or flat `(N, K)` with `image_shape`; flat values without
    it go through linear layers. Values are uint8 or in [0, 1]; others are brought to [0, 1] by the
    least and the greatest of the training images, and clipped there. The label -1 marks images
    without one, from which the decoder learns.

    Args:
        encoder, decoder, classifier: lines of the notation; auto: convolutions where the image's
            sides are multiples of 4 and at least 8, linear layers elsewhere.
        latent_dim: values of the latent, with `encoder="auto"`.
        alpha, beta: weights of the classification and of the reconstruction.
        epochs: passes over the labelled images; 10 of at least 10 steps each if None.
        batch_size, optimizer, lr: how it learns.
        augment: random transformations of each batch, such as `flip > crop(2)`.
        class_weight: `balanced`, or a weight by label; the labels that are left out weigh 1.
        image_shape: `(H, W)` or `(H, W, C)` of flat images.
        warm_start: `fit` goes on from the weights of the last one.
        device: `auto`, `cpu`, `cuda` ...
        random_state: seed of everything that is drawn.

    Attributes:
        classes_: the labels, in order.
        model_: the trained `wye.Model`.
        n_iter_: epochs that it was trained.

    Example:
        >>> import wye
        >>> from sklearn.datasets import load_digits
        >>> digits = load_digits()
        >>> images, labels = digits.images / 16, digits.target
        >>> model = wye.SupervisedAutoencoder(epochs=5, random_state=0)
        >>> model = model.fit(images[:500], labels[:500])
        >>> model.score(images[500:700], labels[500:700]) > 0.6
        True
        >>> model.transform(images[:2]).shape, model.predict_proba(images[:2]).shape
        ((2, 32), (2, 10))
        >>> model.inverse_transform(model.transform(images[:2])).shape
        (2, 8, 8)
    """

    classes_: NDArray[Any]
    model_: Model
    n_iter_: int

    def __init__(
        self,
        encoder: str = "auto",
        decoder: str = "mirror",
        classifier: str = "auto",
        *,
        latent_dim: int = 32,
        alpha: float = 1.0,
        beta: float = 1.0,
        epochs: int | None = None,
        batch_size: int = 64,
        optimizer: str = "adam",
        lr: float = 0.01,
        augment: str = "",
        class_weight: str | dict[Any, float] | None = None,
        image_shape: tuple[int, ...] | None = None,
        warm_start: bool = False,
        device: str = "auto",
        random_state: Any = None,
    ) -> None:
        self.encoder = encoder
        self.decoder = decoder
        self.classifier = classifier
        self.latent_dim = latent_dim
        self.alpha = alpha
        self.beta = beta
        self.epochs = epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.lr = lr
        self.augment = augment
        self.class_weight = class_weight
        self.image_shape = image_shape
        self.warm_start = warm_start
        self.device = device
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:  # noqa: N803
        """Train on images and their labels.

        Args:
            sample_weight: `(N,)`. Whole numbers repeat an image so often, 0 leaves it out; others
                are brought to a mean of 1, and what is left beyond whole numbers is drawn.

        Raises:
            ValueError: the images or the labels cannot be used.
            UsageError: the settings cannot be.
        """
        going_on = self.warm_start and hasattr(self, "model_")
        images, labels = validate_data(self, X, y, allow_nd=True, reset=not going_on)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        done = self.n_iter_ if going_on else 0
        streams = Streams(seed, {"order": seed + done, "augmentation": seed + done})
        if sample_weight is not None:
            weights = _check_sample_weight(sample_weight, images, ensure_non_negative=True)
            chosen = _repeated(weights, streams)
            images, labels = images[chosen], labels[chosen]
        labelled = np.asarray([label != UNLABELLED for label in labels.tolist()], dtype=bool)
        known = labels[labelled]
        check_classification_targets(known)
        if not len(known):
            raise ValueError("no image has a label other than -1, so there are no classes to learn")
        classes, positions = np.unique(known, return_inverse=True)
        if going_on and not np.array_equal(classes, self.classes_):
            raise ValueError(f"warm_start: the classes were {self.classes_}, these are {classes}")
        if not going_on:
            self.classes_ = classes
            self._form = tuple(images.shape[1:])
            self._range = _range_of(images)
        pixels = self._pixels(images)
        train = Images(pixels[torch.from_numpy(labelled)], torch.from_numpy(positions).long())
        device = choose_device(self.device)
        data = self._prepared(train, pixels).to(device)
        recipe = self._recipe(data, seed, unlabelled=not labelled.all())
        with streams.applied("weights"):
            network = build_network(recipe.network, data.shape, len(classes))
        initialise_whitening(network.encoder.layers, data.inputs.apply(train.pixels[:2000]))
        if going_on:
            network.load_state_dict(self.model_.network.state_dict())
        network = channels_last(network.to(device))
        precision = choose_precision("auto", network, device)
        trainer = Trainer(recipe, network, data, streams, precision)
        for _ in trainer.epochs():
            pass
        config = config_of(recipe, network, data, precision, {})
        described = recipe.model_dump(mode="json")
        self.model_ = Model(config, network.state_dict(), recipe=described)
        self.n_iter_ = done + trainer.epochs_done
        return self

    def predict(self, X: ArrayLike) -> NDArray[Any]:  # noqa: N803
        """The most probable label of each image `(N,)`."""
        chances = self.predict_proba(X)
        found: NDArray[Any] = self.classes_[chances.argmax(1)]
        return found

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float32]:  # noqa: N803
        """Probabilities `(N, classes)`, in the order of `classes_`."""
        pixels = self._checked(X)
        return self.model_.predict_proba(pixels)

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:  # noqa: N803
        """Latent codes `(N, K)`."""
        pixels = self._checked(X)
        return self.model_.embed(pixels)

    def inverse_transform(self, X: ArrayLike) -> NDArray[np.float32]:  # noqa: N803
        """The images that the decoder makes of codes `(N, K)`, formed and scaled like those given.

        Raises:
            UsageError: there is no decoder, or the codes have another size.
        """
        check_is_fitted(self)
        made = self.model_.decode(np.asarray(X))
        low, high = self._range
        images: NDArray[np.float32] = made.transpose(0, 2, 3, 1) * (high - low) + low
        return images.reshape(-1, *self._form)

    @property
    def _n_features_out(self) -> int:
        return self.model_.latent_size

    def _checked(self, images: ArrayLike) -> Tensor:
        check_is_fitted(self)
        checked = validate_data(self, images, allow_nd=True, reset=False)
        if checked.shape[1:] != self._form:
            raise ValueError(f"images of {checked.shape[1:]}, where {self._form} were trained on")
        return self._pixels(checked)

    def _pixels(self, images: NDArray[Any]) -> Tensor:
        """Images as given as pixels `(N, C, H, W)`, uint8 or floats in [0, 1]."""
        form = images.shape[1:]
        if len(form) == 1:
            shape = (1, form[0]) if self.image_shape is None else tuple(self.image_shape)
            if math.prod(shape) != form[0]:
                raise ValueError(f"image_shape={self.image_shape} is not of {form[0]} values")
            form = shape
        if len(form) not in (2, 3) or (len(form) == 3 and form[2] not in (1, 3)):
            raise ValueError(f"images must be (N, H, W) or (N, H, W, 1 or 3), not {images.shape}")
        shaped = images.reshape(-1, *form, *([1] if len(form) == 2 else []))
        low, high = self._range
        if not (shaped.dtype == np.uint8 and (low, high) == (0, 255)):
            shaped = ((shaped.astype(np.float64) - low) / (high - low)).clip(0, 1)
            shaped = shaped.astype(np.float32)
        return torch.from_numpy(np.ascontiguousarray(shaped.transpose(0, 3, 1, 2)))

    def _prepared(self, train: Images, pool: Tensor) -> Prepared:
        inputs = normalization("dataset", pool)
        return Prepared(
            name="in memory",
            classes=tuple(map(str, self.classes_.tolist())),
            train=train,
            validation=None,
            test=train,
            published_train=train.pixels,
            published_size=pool.shape[2],
            inputs=inputs,
            targets=inputs,
            augment=pipeline(self.augment, "augment") if self.augment else None,
            corrupt=None,
            pool=pool,
        )

    def _recipe(self, data: Prepared, seed: int, unlabelled: bool) -> Recipe:
        height, width = data.shape[1:]
        images = height % 4 == width % 4 == 0 and min(height, width) >= 8
        before = "C(16) > C(32)" if images else "L(64)"
        encoder = f"{before} > L({self.latent_dim})" if self.encoder == "auto" else self.encoder
        classifier = "L(32) > L'(classes)" if self.classifier == "auto" else self.classifier
        few = self.epochs is None and len(data.train) < STEPS * self.batch_size
        weights = self.class_weight
        if isinstance(weights, dict):
            weights = {str(label): weight for label, weight in weights.items()}
        return validated(
            {
                "row": type(self).__name__,
                "data": {"name": data.name, "validation": 0, "augment": self.augment},
                "network": {
                    "encoder": encoder,
                    "decoder": self.decoder,
                    "classifier": classifier,
                },
                "loss": {
                    "alpha": self.alpha,
                    "beta": self.beta,
                    "class_weights": weights or "none",
                },
                "train": {
                    "epochs": EPOCHS if self.epochs is None else self.epochs,
                    "steps": STEPS if few else None,
                    "batch_size": self.batch_size,
                    "optimizer": self.optimizer,
                    "lr": self.lr,
                    "unlabelled": self.batch_size if unlabelled else 0,
                },
                "seed": seed,
            }
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = []
        tags.non_deterministic = False
        return tags


def _range_of(images: NDArray[Any]) -> tuple[float, float]:
    """What is black and what is white: known of uint8 and [0, 1], else the least and greatest."""
    if images.dtype == np.uint8:
        return 0.0, 255.0
    low, high = float(images.min()), float(images.max())
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    return low, high if high > low else low + 1


def _repeated(weights: NDArray[np.float64], streams: Streams) -> NDArray[np.int64]:
    """The images by position, each as often as it weighs."""
    if not weights.sum():
        raise ValueError("sample_weight is 0 for every image, so there is nothing to learn from")
    if (weights % 1).any():
        weights = weights / weights.mean()
    draws = torch.rand(len(weights), generator=streams.generator("subset", "weights")).numpy()
    counts = np.floor(weights + draws * (weights % 1 > 0)).astype(np.int64)
    return np.repeat(np.arange(len(weights)), counts)

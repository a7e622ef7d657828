"""A trained network ready for use: images in, classes, latent codes and reconstructions out."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from torch import Tensor, nn

from wye.cards import as_html, as_text, shown_metrics
from wye.data.batches import evaluation_batch_size
from wye.data.images import Images
from wye.data.prepare import Normalization, transformed, with_channels
from wye.data.reading import Reading, as_pixels, read_image
from wye.data.storage import Pixels, StoredPixels
from wye.data.transforms import pipeline
from wye.errors import MachineError, UsageError, WyeError, message_of
from wye.evaluation.views import ITSELF, Views
from wye.export import Exported, export
from wye.network.build import Network, build_network
from wye.network.describe import count_parameters
from wye.network.layers import Route
from wye.recipe.schema import NetworkSettings
from wye.registry import suggest
from wye.runs.run import Run
from wye.runs.sharing import Shared
from wye.training.precision import as_trained, multiplying_in
from wye.training.restoring import misfit
from wye.wording import plain

Picture = str | Path | Image.Image
"""An image file, or a picture in memory."""
BRANCHES = ("decoder", "classifier")
Given = Pixels | NDArray[Any] | Picture | Sequence[Picture]
"""What a model takes for images: pixels `(N, C, H, W)`, pictures, or one picture."""


class Prediction(NamedTuple):
    """What a model makes of a batch.

    Attributes:
        logits: `(N, classes)`, None without a classifier.
        reconstruction: `(N, C, H, W)`, where black is 0 and white 1, None without a decoder.
        latent: `(N, K)`, what the decoder is given, the side path's values last.
    """

    logits: Tensor | None
    reconstruction: Tensor | None
    latent: Tensor


class Model(Shared, nn.Module):
    """A trained network with its preprocessing inside.

    Images are pixels `(N, C, H, W)`, uint8 or floats in [0, 1], as tensors or arrays; image files
    and PIL's images are brought to the form of the training images first. `predict` and its like
    give numpy arrays, work in inference mode and go through the images in batches; calling the
    model gives tensors that can be differentiated. A network that was trained in bf16 predicts in
    it, as it was measured, where the device is quick at it.

    Attributes:
        network: the module without the preprocessing.
        classes: names of the classes.
        shape: `(C, H, W)` of one image as the encoder sees it.
        pixels: `(C, H, W)` of the images that are handed in, before the recipe's `data.view`.
        views: what an image is classified by, as in the run's measurement; the logits are their
            mean, but in training.
        reading: how the run's own images became those; None of a data set by name.
        latent_size: values of a latent code, all that the decoder is given.
        reference: how it did on the run's validation images, see `wye.runs.reference`; None in a
            run of an earlier version.

    Args:
        config: what `config.json` holds.
        weights: the network's state dict.
        trainable: whether its parameters learn; without, it is in inference mode and frozen.
        recipe: what `recipe.yaml` holds, to be handed on with the model.

    Example:
        >>> import wye
        >>> run = wye.train("joint/v1", data="shapes", max_steps=2, out="runs/v1", resume=True)
        >>> model = wye.load(run)
        >>> images = wye.data.load("shapes").test.pixels[:3]
        >>> model.predict(images, names=True).shape, model.embed(images).shape
        ((3,), (3, 128))
        >>> logits, reconstruction, latent = model(images)
        >>> tuple(logits.shape), tuple(reconstruction.shape)
        ((3, 10), (3, 3, 32, 32))
    """

    def __init__(
        self,
        config: dict[str, Any],
        weights: dict[str, Tensor],
        trainable: bool = False,
        recipe: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.config, self.recipe = config, recipe
        self.classes: tuple[str, ...] = tuple(config["classes"])
        self.shape: tuple[int, int, int] = tuple(config["shape"])
        self.pixels: tuple[int, int, int] = tuple(config.get("pixels", config["shape"]))
        self.views = Views(**(config.get("views") or {}))
        self.view = pipeline(config.get("view", ""), "data.view")
        self.inputs = _normalization(config["inputs"])
        self.targets = _normalization(config["targets"])
        self.reading = Reading(**config["reading"]) if config.get("reading") else None
        self.reference: dict[str, Any] | None = config.get("reference")
        seen = tuple(self.view(torch.zeros((1, *self.pixels)), torch.Generator()).shape[1:])
        if seen != self.shape:
            raise MachineError(f"images of {self.pixels} become {seen}, not {self.shape}")
        lines = {"decoder": "none", "classifier": "none", **config["network"]}
        settings = NetworkSettings(
            **lines, outputs=config.get("outputs"), norm_eps=config.get("norm_eps")
        )
        with torch.device("meta"):
            network = build_network(settings, self.shape, len(self.classes))
        if fault := misfit(network, weights):
            raise MachineError(f"the weights do not fit the network: {fault}")
        network.load_state_dict(weights, assign=True)
        self.network: Network = network.requires_grad_(trainable)
        self.latent_size = network.latent_size
        self._side_shape: tuple[int, ...] = ()
        side = network.encoder.route.side
        if side is not None and self.latent_size > math.prod(network.encoder.outputs):
            self._side_shape = tuple(side.shape[1:])
        self.train(trainable)

    @classmethod
    def of(cls, run: Run, weights: str | None = None, trainable: bool = False) -> Model:
        """The model of a finished run; see `Run.weights`.

        Raises:
            MachineError: a file is damaged, or config.json and the weights don't fit each other.
        """
        run.say_version()
        config, state = run.config, run.weights(weights)
        recipe = run.recipe.model_dump(mode="json")
        try:
            model = cls(config, state, trainable, recipe)
        except (WyeError, RuntimeError, ValueError, OverflowError) as error:
            raise MachineError(
                f"{run.path / 'config.json'} is damaged, or not of these weights:"
                f" {plain(message_of(error))[:300]}"
            ) from None
        model.run = run
        return model

    @property
    def device(self) -> torch.device:
        """Where its weights are; images are brought there."""
        tensors = itertools.chain(self.network.parameters(), self.network.buffers())
        return next((each.device for each in tensors), torch.device("cpu"))

    @property
    def name(self) -> str:
        """The row, or recipe, that it was trained by."""
        return str(self.config["row"])

    def forward(self, images: Given, branches: Sequence[str] = BRANCHES) -> Prediction:
        """Logits, reconstruction and latent code of images, to be trained or looked into.

        Args:
            images: of shape `(N, *pixels)`, or pictures. The range of floats is not checked.
            branches: those to go through, where there are any.

        Returns:
            Tensors on the model's device; the reconstruction is clamped to [0, 1] but in training.

        Raises:
            UsageError: the images have another shape.
        """
        return self._outputs(self._as_pixels(images)[:], branches)

    def _outputs(self, images: Tensor, branches: Sequence[str]) -> Prediction:
        images = images.to(self.device)
        seen = self.view(images, torch.Generator(images.device).manual_seed(0))
        inputs = self.inputs.apply(seen).contiguous(memory_format=torch.channels_last)
        found = self.network(inputs, branches=branches)
        logits, rebuilt, codes = found.logits, found.reconstruction, found.latent.flatten(1)
        if found.side is not None and self._side_shape:
            codes = torch.cat([codes, found.side.flatten(1).to(codes.dtype)], 1)
        if logits is not None:
            views = ITSELF if self.training else self.views
            logits = views.mean(logits, inputs, self.network.logits)[:, : len(self.classes)]
        if rebuilt is not None:
            rebuilt = self.targets.back(rebuilt) if self.training else self.targets.undo(rebuilt)
        return Prediction(logits, rebuilt, codes.float())

    def logits(self, images: Tensor) -> Tensor:
        """Logits `(N, classes)` of one batch `(N, *pixels)`, uint8 or in [0, 1].

        Raises:
            UsageError: the network has no classifier.
        """
        logits = self._inferred(images, "classifier").logits
        if logits is None:
            raise UsageError(f"{self.name} has no classifier")
        return logits

    def predict_proba(self, images: Given) -> NDArray[np.float32]:
        """Probabilities `(N, classes)`.

        Raises:
            UsageError: the network has no classifier, or the images have another shape.
        """
        return _joined([self.logits(batch).softmax(1) for batch in self._batches(images)])

    def predict(self, images: Given, names: bool = False) -> NDArray[Any]:
        """The most probable class of each image `(N,)`: its position in `classes`, or its name."""
        found = np.asarray(self.predict_proba(images).argmax(1), dtype=np.int64)
        return np.asarray(self.classes)[found] if names else found

    def score(self, images: Given, labels: ArrayLike) -> float:
        """The fraction of images that are correctly classified.

        Args:
            labels: `(N,)`, positions in `classes` or names.

        Raises:
            UsageError: another number of labels, or a class that the model does not know.
        """
        wanted = np.asarray(labels)
        named = wanted.dtype.kind in "USO"
        if named and (unknown := sorted(set(wanted.tolist()) - set(self.classes))):
            raise UsageError(f"no class {unknown[0]!r}; {suggest(str(unknown[0]), self.classes)}")
        predicted = self.predict(images, names=named)
        if predicted.shape != wanted.shape:
            raise UsageError(f"{len(predicted)} images need as many labels, not {wanted.shape}")
        return float((predicted == wanted).mean())

    def embed(self, images: Given) -> NDArray[np.float32]:
        """Latent codes `(N, K)`: what the decoder is given, the side path's values last."""
        return _joined([self._inferred(batch).latent for batch in self._batches(images)])

    def reconstruct(self, images: Given) -> NDArray[np.float32]:
        """Reconstructions `(N, C, H, W)` in [0, 1].

        Raises:
            UsageError: the network has no decoder, or the images have another shape.
        """
        return _joined([self._reconstructed(batch) for batch in self._batches(images)])

    def decode(self, codes: Tensor | NDArray[Any]) -> NDArray[np.float32]:
        """The images `(N, C, H, W)` in [0, 1] that the decoder makes of codes `(N, K)`.

        Raises:
            UsageError: the network has no decoder, or the codes another size.
        """
        values = torch.as_tensor(codes, dtype=torch.float32)
        if values.ndim != 2 or values.shape[1] != self.latent_size:
            raise UsageError(
                f"codes must be of shape (N, {self.latent_size}), as `embed` gives them; these are"
                f" of shape {tuple(values.shape)}"
            )
        with self._inferring():
            return _joined([self.decoded(part.to(self.device)) for part in values.split(500)])

    def decoded(self, codes: Tensor) -> Tensor:
        """As `decode`, of one batch, on the model's device, and differentiable."""
        if self.network.decoder is None:
            raise UsageError(f"{self.name} has no decoder")
        outputs = self.network.encoder.outputs
        size = math.prod(outputs)
        route = Route(self.shape[1:])
        if shape := self._side_shape:
            route.side = codes[:, size:].reshape(-1, *shape)
        made = self.network.decoder(codes[:, :size].reshape(-1, *outputs), route)
        return self.targets.undo(made)

    def anomaly(self, images: Given, quantile: bool = False) -> NDArray[np.float32]:
        """Mean squared error of each image's reconstruction `(N,)`: high for what is unlike
        the training images.

        Args:
            quantile: instead the fraction of `reference` images whose error is no larger.

        Raises:
            UsageError: the network has no decoder, the images have another shape, or there is no
                reference for a quantile.
        """
        errors = _joined([self._errors(batch) for batch in self._batches(images)])
        return self.quantile(errors) if quantile else errors

    def quantile(self, errors: NDArray[np.float32]) -> NDArray[np.float32]:
        """The fraction of `reference` images whose reconstruction error is no larger `(N,)`."""
        known = (self.reference or {}).get("errors")
        if not known:
            raise UsageError(f"{self.name} keeps no errors of validation images to compare with")
        places = np.searchsorted(np.asarray(known, np.float32), errors, side="right")
        return (places / len(known)).astype(np.float32)

    def classify(self, images: Tensor) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Probabilities `(N, classes)` and reconstruction errors `(N,)` of one batch, in one pass.

        Args:
            images: `(N, *pixels)`, uint8 or in [0, 1].

        Returns:
            The errors are None without a decoder.

        Raises:
            UsageError: the network has no classifier.
        """
        found = self._inferred(images, "classifier", "decoder")
        if found.logits is None:
            raise UsageError(f"{self.name} has no classifier")
        rebuilt = found.reconstruction
        errors = None if rebuilt is None else _joined([self._error(images, rebuilt)])
        return _joined([found.logits.softmax(1)]), errors

    def _errors(self, images: Tensor) -> Tensor:
        return self._error(images, self._reconstructed(images))

    def _error(self, images: Tensor, rebuilt: Tensor) -> Tensor:
        images = images.to(rebuilt.device)
        seen = self.view(images, torch.Generator(images.device).manual_seed(0))
        unit = seen.float() / 255 if seen.dtype == torch.uint8 else seen.float()
        return (rebuilt - unit).square().mean((1, 2, 3))

    def _reconstructed(self, images: Tensor) -> Tensor:
        rebuilt = self._inferred(images, "decoder").reconstruction
        if rebuilt is None:
            raise UsageError(f"{self.name} has no decoder")
        return rebuilt

    def _inferred(self, images: Tensor, *branches: str) -> Prediction:
        precision = as_trained(self.config.get("precision", "fp32"), self.device)
        with self._inferring(), multiplying_in(precision if branches else "fp32", self.device):
            return self._outputs(images, branches)

    @contextlib.contextmanager
    def _inferring(self) -> Iterator[None]:
        """In inference mode, and back to what it was: a model may predict while it is trained."""
        modes = {module: module.training for module in self.modules()}
        self.eval()
        try:
            with torch.inference_mode():
                yield
        finally:
            for module, training in modes.items():
                module.training = training

    def export(self, path: Path | str, form: str = "onnx", **further: Any) -> Exported:
        """Write it as one file for other programs; see `wye.export.export`."""
        return export(self, path, form, **further)

    def read(self, picture: Picture) -> Tensor:
        """A picture as pixels `(1, C, H, W)`, brought to the form of the training images.

        Raises:
            UsageError: the file is no image that can be read.
        """
        size = self.config["image_size"]
        if isinstance(picture, Image.Image):
            pixels = as_pixels(picture, self.reading or Reading(size))
        else:
            pixels = read_image(picture, size, self.reading)
        images = Images(pixels[None], torch.zeros(1, dtype=torch.int64))
        images = with_channels(images, self.pixels[0])
        if line := self.config["prepare"]:
            images = transformed(images, pipeline(line), torch.Generator().manual_seed(0))
        return images.pixels[:]

    def _batches(self, images: Given) -> Iterator[Tensor]:
        pixels = self._as_pixels(images)
        for batch in pixels.split(evaluation_batch_size(self.pixels)):
            if batch.is_floating_point() and len(batch) and not _in_unit(batch):
                low, high = batch.min().item(), batch.max().item()
                raise UsageError(
                    f"images of floats must be in [0, 1]; these go from {low:g} to {high:g}"
                )
            yield batch.to(self.device)

    def _as_pixels(self, images: Given) -> Pixels:
        if isinstance(images, Picture):
            images = [images]
        if isinstance(images, list | tuple) and images and isinstance(images[0], Picture):
            images = torch.cat([self.read(picture) for picture in images])
        pixels = images if isinstance(images, StoredPixels) else torch.as_tensor(images)
        kind = pixels.dtype == torch.uint8 or pixels.dtype.is_floating_point
        if not kind or tuple(pixels.shape[1:]) != self.pixels:
            raise UsageError(
                "images must be pixels, uint8 or floats in [0, 1], of shape"
                f" (N, {', '.join(map(str, self.pixels))}), or image files;"
                f" these are {pixels.dtype} of shape {tuple(pixels.shape)}"
            )
        return pixels

    def _facts(self) -> dict[str, str]:
        known = {
            "classes": f"{len(self.classes)}",
            "pixels": "x".join(map(str, self.pixels)),
            "latent": f"{self.latent_size:,}",
            "parameters": f"{count_parameters(self.network):,}",
        }
        return {**known, **shown_metrics(self.config.get("test", {}))}

    def __repr__(self) -> str:
        return as_text("wye.Model", self.name, self._facts())

    def _repr_html_(self) -> str:
        lines = {name: part.text for name, part in self.network.parts.items()}
        return as_html("wye.Model", self.name, {**self._facts(), **lines})

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles hold the config and arrays, and no code."""
        arrays = {name: value.cpu().numpy() for name, value in self.network.state_dict().items()}
        learns = any(parameter.requires_grad for parameter in self.network.parameters())
        return _restored, (type(self), self.config, arrays, learns, self.recipe)


def _restored(
    kind: type[Model],
    config: dict[str, Any],
    arrays: dict[str, NDArray[Any]],
    trainable: bool,
    recipe: dict[str, Any] | None = None,
) -> Model:
    weights = {name: torch.from_numpy(value.copy()) for name, value in arrays.items()}
    return kind(config, weights, trainable, recipe)


def _in_unit(batch: Tensor) -> bool:
    low, high = batch.aminmax()
    return bool(low >= -1e-3 and high <= 1 + 1e-3)


def _normalization(constants: dict[str, list[float]]) -> Normalization:
    return Normalization(
        torch.tensor(constants["mean"]).view(-1, 1, 1),
        torch.tensor(constants["deviation"]).view(-1, 1, 1),
    )


def _joined(parts: list[Tensor]) -> NDArray[np.float32]:
    joined: NDArray[np.float32] = torch.cat(parts).cpu().numpy()
    return joined

"""A trained network with its preprocessing inside: images of any kind in, tensors out."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from wye.data.batches import evaluation_batch_size
from wye.data.images import Images
from wye.data.prepare import Normalization, transformed, with_channels
from wye.data.reading import Reading, as_pixels, read_image
from wye.data.storage import Pixels, StoredPixels
from wye.data.transforms import pipeline
from wye.errors import MachineError, UsageError
from wye.evaluation.views import ITSELF, Views
from wye.network.build import Network, build_network
from wye.network.layers import Route
from wye.recipe.schema import NetworkSettings
from wye.training.precision import as_trained, multiplying_in
from wye.training.restoring import misfit

Picture = str | Path | Image.Image
"""An image file, or a picture in memory."""
BRANCHES = ("decoder", "classifier")
Given = Pixels | NDArray[Any] | Picture | Sequence[Picture]
"""What a model takes for images: pixels `(N, C, H, W)`, pictures, or one picture."""


class NoNumbersError(MachineError):
    """A network gives NaN or infinity."""

    def __init__(self) -> None:
        super().__init__(
            "the network gives no numbers (NaN or infinity): its weights are damaged, or its"
            " training diverged"
        )


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


class Trained(nn.Module):
    """The network of a run between images as they come and tensors that can be differentiated.

    Its attributes and arguments are those of `wye.Model`.
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
        self.preparing = pipeline(config["prepare"], "prepare")
        # One number that stands for all of them, for images may be large.
        blank = torch.zeros(()).expand(1, *self.pixels)
        seen = tuple(self.view(blank, torch.Generator()).shape[1:])
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

    def _inferred(self, images: Tensor, *branches: str) -> Prediction:
        precision = as_trained(self.config.get("precision", "fp32"), self.device)
        with self._inferring(), multiplying_in(precision if branches else "fp32", self.device):
            found = self._outputs(images, branches)
            for name, outputs in found._asdict().items():
                if outputs is not None and (name == "latent" or branches):
                    check_numbers(outputs)
            return found

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
        if self.config["prepare"]:
            images = transformed(images, self.preparing, torch.Generator().manual_seed(0))
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

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles hold the config and arrays, and no code."""
        arrays = {name: value.cpu().numpy() for name, value in self.network.state_dict().items()}
        learns = any(parameter.requires_grad for parameter in self.network.parameters())
        return _restored, (type(self), self.config, arrays, learns, self.recipe)


def _restored(
    kind: type[Trained],
    config: dict[str, Any],
    arrays: dict[str, NDArray[Any]],
    trainable: bool,
    recipe: dict[str, Any] | None = None,
) -> Trained:
    weights = {name: torch.from_numpy(value.copy()) for name, value in arrays.items()}
    return kind(config, weights, trainable, recipe)


def check_numbers(outputs: Tensor) -> None:
    """Raise NoNumbersError if some of what a network gives are none."""
    if not outputs.isfinite().all():
        raise NoNumbersError


def _in_unit(batch: Tensor) -> bool:
    low, high = batch.aminmax()
    return bool(low >= -1e-3 and high <= 1 + 1e-3)


def _normalization(constants: dict[str, list[float]]) -> Normalization:
    return Normalization(
        torch.tensor(constants["mean"]).view(-1, 1, 1),
        torch.tensor(constants["deviation"]).view(-1, 1, 1),
    )

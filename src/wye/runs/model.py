"""A trained network ready for use: images in, names, codes and reconstructions out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wye.data.images import Images
from wye.data.prepare import Normalization, transformed, with_channels
from wye.data.reading import Reading, read_image
from wye.data.storage import Pixels, StoredPixels
from wye.data.transforms import pipeline
from wye.errors import MachineError, UsageError, WyeError, message_of
from wye.network.build import Network, Output, build_network
from wye.recipe.schema import NetworkSettings
from wye.runs.run import Run
from wye.training.precision import as_trained, multiplying_in
from wye.training.restoring import misfit
from wye.wording import plain

BATCH = 500


class Model:
    """A trained network with the normalisation it was trained under.

    Pixels are uint8 `(N, C, H, W)`, as arrays or tensors; what comes back are numpy arrays. A
    network that was trained in bf16 names and rebuilds in it, as it was measured, where the device
    is quick at it.

    Attributes:
        network: the module, in inference mode.
        classes: names of the classes.
        shape: `(C, H, W)` of one image as the encoder sees it.
        pixels: `(C, H, W)` of the images that are handed in, before the recipe's `data.view`.
        reading: how the run's own images became those; None of a data set by name.
    """

    def __init__(self, config: dict[str, Any], weights: dict[str, Tensor]) -> None:
        self.config = config
        self.classes: tuple[str, ...] = tuple(config["classes"])
        self.shape: tuple[int, int, int] = tuple(config["shape"])
        self.pixels: tuple[int, int, int] = tuple(config.get("pixels", config["shape"]))
        self.view = pipeline(config.get("view", ""), "data.view")
        self.inputs = _normalization(config["inputs"])
        self.targets = _normalization(config["targets"])
        self.reading = Reading(**config["reading"]) if config.get("reading") else None
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
        self.network: Network = network.eval().requires_grad_(False)

    @classmethod
    def of(cls, run: Run, weights: str | None = None) -> Model:
        """The model of a finished run; see `Run.weights`.

        Raises:
            MachineError: a file is damaged, or config.json and the weights don't fit each other.
        """
        run.say_version()
        config, state = run.config, run.weights(weights)
        try:
            return cls(config, state)
        except (WyeError, RuntimeError, ValueError, OverflowError) as error:
            raise MachineError(
                f"{run.path / 'config.json'} is damaged, or not of these weights:"
                f" {plain(message_of(error))[:300]}"
            ) from None

    def predict_proba(self, pixels: Tensor | NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities `(N, classes)`.

        Raises:
            UsageError: the network has no classifier, or the images have another shape.
        """
        return _joined([self.logits(batch).softmax(1) for batch in self._batches(pixels)])

    @torch.inference_mode()
    def logits(self, images: Tensor) -> Tensor:
        """Logits `(N, classes)` of images of shape `(N, *pixels)`, uint8 or in [0, 1].

        Raises:
            UsageError: the network has no classifier.
        """
        logits = self._output(images, "classifier").logits
        if logits is None:
            raise UsageError(f"{self.config['row']} has no classifier")
        of_classes: Tensor = logits.float()[:, : len(self.classes)]
        return of_classes

    def predict(self, pixels: Tensor | NDArray[np.uint8]) -> NDArray[np.int64]:
        """The most probable class of each image, as a position in `classes`."""
        return np.asarray(self.predict_proba(pixels).argmax(1), dtype=np.int64)

    def embed(self, pixels: Pixels | NDArray[np.uint8]) -> NDArray[np.float32]:
        """Latent codes `(N, K)`."""
        return _joined([self._codes(batch) for batch in self._batches(pixels)])

    @torch.inference_mode()
    def _codes(self, images: Tensor) -> Tensor:
        codes: Tensor = self.network.encoder(self._inputs(images)).float().flatten(1)
        return codes

    def reconstruct(self, pixels: Tensor | NDArray[np.uint8]) -> NDArray[np.float32]:
        """Reconstructions `(N, C, H, W)` in [0, 1].

        Raises:
            UsageError: the network has no decoder, or the images have another shape.
        """
        if self.network.decoder is None:
            raise UsageError(f"{self.config['row']} has no decoder")
        return _joined([self._rebuilt(batch) for batch in self._batches(pixels)])

    @torch.inference_mode()
    def _rebuilt(self, images: Tensor) -> Tensor:
        rebuilt = self._output(images, "decoder").reconstruction
        assert rebuilt is not None
        return self.targets.undo(rebuilt)

    def _output(self, images: Tensor, branch: str) -> Output:
        precision = as_trained(self.config.get("precision", "fp32"), images.device)
        with multiplying_in(precision, images.device):
            output: Output = self.network(self._inputs(images), branches=[branch])
        return output

    def _inputs(self, images: Tensor) -> Tensor:
        seen = self.view(images, torch.Generator(images.device).manual_seed(0))
        return self.inputs.apply(seen).contiguous(memory_format=torch.channels_last)

    def read(self, path: Path) -> Tensor:
        """An image file as pixels `(1, C, H, W)`, brought to the form of the training images.

        Raises:
            UsageError: the file is no image that can be read.
        """
        pixels = read_image(path, self.config["image_size"], self.reading)[None]
        images = Images(pixels, torch.zeros(1, dtype=torch.int64))
        images = with_channels(images, self.pixels[0])
        if line := self.config["prepare"]:
            images = transformed(images, pipeline(line), torch.Generator().manual_seed(0))
        return images.pixels[:]

    def _batches(self, pixels: Pixels | NDArray[np.uint8]) -> Iterator[Tensor]:
        images = pixels if isinstance(pixels, StoredPixels) else torch.as_tensor(pixels)
        if images.dtype != torch.uint8 or tuple(images.shape[1:]) != self.pixels:
            raise UsageError(
                f"images must be uint8 of shape (N, {', '.join(map(str, self.pixels))});"
                f" these are {images.dtype} of shape {tuple(images.shape)}"
            )
        yield from images.split(BATCH)


def _normalization(constants: dict[str, list[float]]) -> Normalization:
    return Normalization(
        torch.tensor(constants["mean"]).view(-1, 1, 1),
        torch.tensor(constants["deviation"]).view(-1, 1, 1),
    )


def _joined(parts: list[Tensor]) -> NDArray[np.float32]:
    joined: NDArray[np.float32] = torch.cat(parts).numpy()
    return joined

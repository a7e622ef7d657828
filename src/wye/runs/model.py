"""A trained network ready for use: classes, latent codes and reconstructions of images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from wye.cards import as_html, as_text, shown_metrics
from wye.errors import MachineError, UsageError, WyeError, message_of
from wye.export import Exported, export
from wye.network.describe import count_parameters
from wye.registry import suggest
from wye.runs.run import Run
from wye.runs.sharing import Shared
from wye.runs.trained import Given, Trained, check_numbers
from wye.wording import plain


class Model(Shared, Trained):
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

    Examples:
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
                f"{run.path / 'config.json'} is damaged, or not of the weights in"
                f" {run.weights_file(weights)}: {plain(message_of(error))[:300]}"
            ) from None
        model.run = run
        return model

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
            made = [self.decoded(part.to(self.device)) for part in values.split(500)]
        for part in made:
            check_numbers(part)
        return _joined(made)

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

    def export(self, path: Path | str, form: str = "onnx", **further: Any) -> Exported:
        """Write it as one file for other programs; see `wye.export.export`."""
        return export(self, path, form, **further)

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


def _joined(parts: list[Tensor]) -> NDArray[np.float32]:
    joined: NDArray[np.float32] = torch.cat(parts).cpu().numpy()
    return joined

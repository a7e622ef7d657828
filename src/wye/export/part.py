"""The part of a model that is exported, from uint8 pixels to what is asked for."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor, nn

from wye.errors import UsageError

PARTS = {
    "classifier": ("pixels", ("probabilities",)),
    "encoder": ("pixels", ("latent",)),
    "decoder": ("latent", ("reconstruction",)),
    "whole": ("pixels", ("probabilities", "reconstruction", "latent")),
}
"""The name of each part's input and of its outputs."""


class Exportable(Protocol):
    """What is asked of a model; see `wye.Model`."""

    config: dict[str, Any]
    classes: tuple[str, ...]
    pixels: tuple[int, int, int]
    network: Any
    latent_size: int

    def __call__(self, images: Tensor, branches: Any = ...) -> Any:
        """Logits, reconstruction and latent of images."""

    def decoded(self, codes: Tensor) -> Tensor:
        """Images of latent codes."""


class Part(nn.Module):
    """uint8 `(N, C, H, W)`, or for the decoder codes `(N, K)`, to the outputs of a part.

    Raises:
        UsageError: the network lacks it.
    """

    def __init__(self, model: Exportable, name: str) -> None:
        super().__init__()
        if name not in PARTS:
            raise UsageError(f"no part {name!r}; known: {', '.join(PARTS)}")
        lacks = {
            "classifier": model.network.classifier is None,
            "decoder": model.network.decoder is None,
        }
        if lacks.get(name):
            raise UsageError(f"{model.config['row']} has no {name}")
        self.model, self.name = model, name
        self.input, outputs = PARTS[name]
        absent = {"probabilities": lacks["classifier"], "reconstruction": lacks["decoder"]}
        self.outputs = tuple(output for output in outputs if not absent.get(output))

    def forward(self, values: Tensor) -> tuple[Tensor, ...]:
        if self.name == "decoder":
            return (self.model.decoded(values),)
        branches = {"classifier": ("classifier",), "encoder": ()}
        logits, rebuilt, latent = self.model(
            values, branches.get(self.name, ("decoder", "classifier"))
        )
        made = {"reconstruction": rebuilt, "latent": latent}
        if logits is not None:
            made["probabilities"] = logits.softmax(1)
        return tuple(made[output] for output in self.outputs)

    def example(self, count: int = 2) -> Tensor:
        """Inputs of the right form, the same at every call."""
        generator = torch.Generator().manual_seed(0)
        if self.name == "decoder":
            return torch.randn(count, self.model.latent_size, generator=generator)
        shape = (count, *self.model.pixels)
        return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)

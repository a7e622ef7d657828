"""The judge: a classifier that is asked to name reconstructions."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from wye.data.prepare import Prepared
from wye.errors import UsageError
from wye.evaluation.measure import Judge
from wye.evaluation.views import ITSELF
from wye.network.build import Network
from wye.recipe.schema import Recipe
from wye.runs.dependencies import SELF
from wye.runs.model import Model


def judge_of(recipe: Recipe, network: Network, data: Prepared, other: Model | None) -> Judge | None:
    """The judge that a recipe asks for: none, the network's own classifier, or another's."""
    if recipe.evaluation.judge == SELF:
        return own_judge(network, data)
    return judge_by(other, data) if other is not None else None


def judge_by(model: Model, data: Prepared) -> Judge:
    """The judge that a run's model is for images of `data`.

    Reconstructions in [0, 1] are brought to the size and the channels of the model's images, and
    normalised as those were (study S4).

    Raises:
        UsageError: the model knows other classes.
    """
    if model.classes != data.classes:
        raise UsageError(
            f"evaluation.judge: {model.config['row']} names {', '.join(model.classes)}, the images"
            f" are of {', '.join(data.classes)}"
        )
    channels, height, width = model.pixels
    model.network.to(data.train.pixels.device)
    model.views = ITSELF  # a judge is shown one view, as the studies' were

    def judge(images: Tensor) -> Tensor:
        if images.shape[1] != channels:
            images = images.mean(1, keepdim=True).expand(-1, channels, -1, -1)
        if tuple(images.shape[2:]) != (height, width):
            images = F.interpolate(images, (height, width), mode="bilinear", antialias=True)
        return model.logits(images).argmax(1)

    return judge


def own_judge(network: Network, data: Prepared) -> Judge:
    """The judge that a network's own classifier is.

    Raises:
        UsageError: it has none.
    """
    if network.classifier is None:
        raise UsageError("evaluation.judge=self needs a classifier")

    @torch.inference_mode()
    def judge(images: Tensor) -> Tensor:
        inputs = data.inputs.apply(images).contiguous(memory_format=torch.channels_last)
        return network.logits(inputs).argmax(1)

    return judge

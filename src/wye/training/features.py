"""The pretrained network whose features the feature term compares."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from wye.data.normalization import IMAGENET_DEVIATION, IMAGENET_MEAN, Normalization
from wye.data.prepare import Prepared
from wye.errors import UsageError
from wye.network.weights import pretrained
from wye.recipe.schema import FeatureSettings, Recipe
from wye.streams import Streams


class FeatureNetwork:
    """What a frozen network sees in reconstructions and in their targets.

    It is no module: its weights are no part of the network that learns, nor of a run's state.

    Args:
        blocks: layers of the frozen network in order; those that aren't needed are left out.
        settings: whose outputs are compared, and their weights.
        targets: the normalisation of reconstructions and targets, which is undone.

    Raises:
        UsageError: `settings.layers` names a layer that isn't there.
    """

    def __init__(
        self, blocks: list[nn.Module], settings: FeatureSettings, targets: Normalization
    ) -> None:
        deepest = max(settings.layers)
        if deepest >= len(blocks):
            raise UsageError(
                f"loss.features.layers: {settings.network} has layers 0 to {len(blocks) - 1},"
                f" no {deepest}"
            )
        self.settings = settings
        self.targets = targets
        self.blocks = nn.ModuleList(blocks[: deepest + 1]).eval().requires_grad_(False)

    def to(self, device: torch.device) -> FeatureNetwork:
        """The same, with the frozen network on `device`."""
        self.blocks.to(device)
        return self

    def __call__(self, images: Tensor) -> list[Tensor]:
        """Features of images `(N, C, H, W)` in the target's range, by the layers' order."""
        return list(self._seen(images))

    def _seen(self, images: Tensor) -> Iterator[Tensor]:
        device = images.device
        # Not clamped: a pixel beyond the range must have a gradient too.
        pixels = images.float() * self.targets.deviation.to(device) + self.targets.mean.to(device)
        if pixels.shape[1] == 1:
            pixels = pixels.expand(-1, 3, -1, -1)
        if self.settings.normalize:
            mean = torch.tensor(IMAGENET_MEAN, device=device).view(-1, 1, 1)
            std = torch.tensor(IMAGENET_DEVIATION, device=device).view(-1, 1, 1)
            pixels = (pixels - mean) / std
        values = pixels.contiguous(memory_format=torch.channels_last)
        for index, block in enumerate(self.blocks):
            values = block(values)
            if index in self.settings.layers:
                yield values


def build_features(recipe: Recipe, data: Prepared) -> FeatureNetwork | None:
    """The frozen network of a run, on the CPU; None if phi is 0 in all of its phases.

    With `weights=random` the frozen network's weights are of stream `weights`.

    Raises:
        UsageError: phases that ask for different features, or a layer that isn't there.
        WyeError: the weights cannot be had.
    """
    asked = [phase.loss.features for phase in recipe.resolved_phases() if phase.loss.phi > 0]
    if not asked:
        return None
    if any(settings != asked[0] for settings in asked):
        raise UsageError("phases with loss.phi above 0 must agree in loss.features")
    with Streams(recipe.seed, recipe.seeds).applied("weights", "features"):
        backbone = pretrained(asked[0].network, recipe.weights)
    return FeatureNetwork(list(backbone.blocks), asked[0], data.targets)

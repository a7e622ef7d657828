"""Backbones: the convolutional parts of published ImageNet networks, block by block.

All take colour images as `data.normalize=imagenet` leaves them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from torch import Tensor, nn

from wye.network.efficientnet_lite import efficientnet_lite0
from wye.network.torchvision_operators import torchvision_models
from wye.registry import Registry

Blocks = Mapping[str, nn.Module]
"""Blocks in forward order by their names in the published state dict: `layer1`, `features.0`."""


class Backbone(nn.Module):
    """The convolutional part of a published network, or some of its blocks.

    Attributes:
        name: of the network.
        block_names: of the blocks, as the published state dict has them.
        blocks: in forward order.
    """

    def __init__(self, name: str, blocks: Blocks) -> None:
        super().__init__()
        self.name = name
        self.block_names = tuple(blocks)
        self.blocks = nn.ModuleList(blocks.values())
        for block in self.blocks:
            # What a block is given may be kept elsewhere: by a side path, or as a feature.
            if isinstance(block, nn.ReLU):
                block.inplace = False

    def forward(self, images: Tensor) -> Tensor:
        for block in self.blocks:
            images = block(images)
        return images


BACKBONES: Registry[Callable[[], Blocks]] = Registry("backbone")


def backbone(name: str, first: int = 0, last: int | None = None) -> Backbone:
    """The blocks `first` to `last`, the last not included, with initial weights drawn at random.

    Raises:
        UsageError: no backbone has the name, or torchvision is missing.
        ValueError: there are no such blocks.
    """
    blocks = BACKBONES.find(name)()
    end = len(blocks) if last is None else last
    if not first < end <= len(blocks):
        raise ValueError(
            f"{name} has blocks 0 to {len(blocks) - 1}; first={first}, last={end} takes none"
            " or goes beyond them"
        )
    return Backbone(name, dict(list(blocks.items())[first:end]))


def _vgg(name: str) -> Blocks:
    # The whole network would be built with 124 million parameters that are not kept.
    vgg = torchvision_models().vgg
    features: nn.Sequential = vgg.make_layers(vgg.cfgs["D"], batch_norm=name.endswith("_bn"))
    for module in features:
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return _numbered(features)


def _resnet(name: str) -> Blocks:
    network: nn.Module = torchvision_models().get_model(name, weights=None)
    return {key: part for key, part in network.named_children() if key not in ("avgpool", "fc")}


def _features(name: str) -> Blocks:
    features: nn.Sequential = torchvision_models().get_model(name, weights=None).features
    return _numbered(features)


def _numbered(features: nn.Sequential) -> Blocks:
    return {f"features.{index}": block for index, block in enumerate(features)}


for _name, _build in (
    ("vgg16", _vgg),
    ("vgg16_bn", _vgg),
    ("resnet34", _resnet),
    ("resnet50", _resnet),
    ("mobilenet_v2", _features),
    ("squeezenet1_1", _features),
):
    BACKBONES.register(_name)(partial(_build, _name))
BACKBONES.register("efficientnet_lite0")(efficientnet_lite0)

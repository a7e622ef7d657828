"""Backbones and their symbols: the convolutional parts of published ImageNet networks.

All take colour images as `data.normalize=imagenet` leaves them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from wye.network.efficientnet_lite import efficientnet_lite0
from wye.network.symbols import SYMBOLS, Shape
from wye.network.torchvision_operators import torchvision_models
from wye.registry import Registry

Block = Annotated[int, Field(ge=0, le=64)]
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


def _register(name: str, build: Callable[[str], Blocks], about: str) -> None:
    """Enter a backbone, and its symbol in the notation: `vgg16 > G > L'(10)`."""
    BACKBONES.register(name)(partial(build, name))

    def symbol(inputs: Shape, first: Block = 0, last: Block | None = None) -> nn.Module:
        if first == 0 and (len(inputs) != 3 or inputs[0] != 3):
            raise ValueError(
                f"{name} takes colour images (3, H, W); data.channels=3 makes grey ones so"
            )
        return backbone(name, first, last)

    symbol.__doc__ = (
        f"{about}: its convolutional part, or the blocks first to last, the last not included."
    )
    SYMBOLS.register(name)(symbol)


for _name, _build, _about in (
    ("vgg16", _vgg, "VGG16 (Simonyan and Zisserman 2015), 512 channels at 1/32 of the side"),
    ("vgg16_bn", _vgg, "VGG16 with batch normalisation, 512 channels at 1/32 of the side"),
    ("resnet34", _resnet, "ResNet34 (He et al. 2016), 512 channels at 1/32 of the side"),
    ("resnet50", _resnet, "ResNet50 (He et al. 2016), 2,048 channels at 1/32 of the side"),
    (
        "mobilenet_v2",
        _features,
        "MobileNetV2 (Sandler et al. 2018), 1,280 channels at 1/32 of the side",
    ),
    (
        "squeezenet1_1",
        _features,
        "SqueezeNet 1.1 (Iandola et al. 2016), 512 channels at 1/16 of the side",
    ),
    (
        "efficientnet_lite0",
        lambda _: efficientnet_lite0(),
        "EfficientNet-Lite0 (Tan and Le 2019), 1,280 channels at 1/32",
    ),
):
    _register(_name, _build, _about)

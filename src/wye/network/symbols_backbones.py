"""The backbones as symbols of the notation: `vgg16 > G > L'(10)`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import nn

from wye.network.backbones import BACKBONES, backbone
from wye.network.symbols import SYMBOLS, Shape

Block = Annotated[int, Field(ge=0, le=64)]


def _register(name: str, about: str) -> None:
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


_ABOUT = {
    "vgg16": "VGG16 (Simonyan and Zisserman 2015), 512 channels at 1/32 of the side",
    "vgg16_bn": "VGG16 with batch normalisation, 512 channels at 1/32 of the side",
    "resnet34": "ResNet34 (He et al. 2016), 512 channels at 1/32 of the side",
    "resnet50": "ResNet50 (He et al. 2016), 2,048 channels at 1/32 of the side",
    "mobilenet_v2": "MobileNetV2 (Sandler et al. 2018), 1,280 channels at 1/32 of the side",
    "squeezenet1_1": "SqueezeNet 1.1 (Iandola et al. 2016), 512 channels at 1/16 of the side",
    "efficientnet_lite0": "EfficientNet-Lite0 (Tan and Le 2019), 1,280 channels at 1/32",
}

for _name in BACKBONES:
    _register(_name, _ABOUT[_name])

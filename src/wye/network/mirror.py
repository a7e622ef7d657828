"""`decoder: mirror`: the decoder that undoes an encoder, derived by rule.

The rule is that of study S0: linear layers are mirrored; a convolution that shrinks the image by a
factor f becomes a transposed convolution of kernel and stride f (kernel and stride 1 where it
doesn't shrink); activations stay between the layers and the last layer has none. A backbone is
mirrored stage by stage: one transposed convolution where it shrinks the image, as in that study's
decoders of VGG16 and ResNet50; only VGG, a chain of plain layers, is mirrored layer by layer.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import nn

from wye.network.backbones import BACKBONES, Backbone
from wye.network.stack import Stack
from wye.network.symbols import Shape
from wye.notation import Call, NotationError

WEIGHTED = ("L(", "T(", "C'(")


def mirror(encoder: Stack) -> str:
    """The line of the decoder that leads from the encoder's latent back to its input shape.

    Raises:
        NotationError: a symbol of the encoder has no mirror.
    """
    steps: list[str] = []
    reverse = zip(
        reversed(encoder.calls), encoder.shapes[-2::-1], encoder.shapes[:0:-1], strict=True
    )
    for call, before, after in reverse:
        name = call.symbol.name
        if name in ("L", "L'"):
            steps.append(f"L({math.prod(before)}{_options(call)})")
            if len(before) > 1:
                steps.append(f"R({_sizes(before)})")
        elif name in BACKBONES:
            steps += _backbone(call, before)
        elif name in ("C", "C'", "W"):
            steps.append(f"T({before[0]}{_geometry(call, before, after)}{_options(call)})")
        elif name in ("F", "R"):
            steps.append("F" if len(before) == 1 else f"R({_sizes(before)})")
        elif name == "P":
            steps.append(f"U({call.settings['by']})")
        elif name == "U":
            steps.append(f"P({call.settings['by']}, kind=avg)")
        elif name == "PS":
            steps.append(f"PU({call.settings['by']})")
        elif name == "PU":
            steps.append(f"PS({call.settings['by']})")
        elif name not in ("D", "BN", "A", "X", "Y"):
            raise _no_mirror(call, f"{name} has no mirror")
    weighted = [index for index, step in enumerate(steps) if step.startswith(WEIGHTED)]
    if weighted:
        steps[weighted[-1]] = _without_activation(steps[weighted[-1]])
    if not steps:
        raise NotationError(encoder.text, 0, "there is nothing to mirror; write the decoder out")
    return " > ".join(steps)


def _backbone(call: Call[nn.Module], inputs: Shape) -> Iterator[str]:
    with torch.device("meta"):
        backbone = call(inputs)
        assert isinstance(backbone, Backbone)
        features, shapes = torch.empty((2, *inputs)), [inputs]
        for block in backbone.blocks:
            features = block(features)
            shapes.append(tuple(features.shape[1:]))
    plain = backbone.name.startswith("vgg")
    norm = ", bn=before" if backbone.name.endswith("_bn") else ""
    reverse = zip(reversed(backbone.blocks), shapes[-2::-1], shapes[:0:-1], strict=True)
    for block, before, after in reverse:
        if plain and isinstance(block, nn.MaxPool2d):
            yield "U(2)"
        elif plain and isinstance(block, nn.Conv2d):
            yield f"C'({before[0]}{norm})"
        elif not plain and before[1:] != after[1:]:
            yield f"T({before[0]}{_geometry(call, before, after)})"


def _sizes(shape: Shape) -> str:
    return "x".join(map(str, shape))


def _geometry(call: Call[nn.Module], before: Shape, after: Shape) -> str:
    """Kernel, stride and output padding that lead from `after` back to `before`."""
    found = set()
    for large, small in zip(before[1:], after[1:], strict=True):
        factor = max(large // small, 1)
        rest = large - small * factor
        if factor == 1 and rest >= 0:
            found.add((rest + 1, 1, 0))
        elif 0 <= rest < factor:
            found.add((factor, factor, rest))
        elif rest >= 0:
            found.add((factor + rest, factor, 0))
        else:
            found.clear()
            break
    if len(found) != 1:
        raise _no_mirror(call, f"{_sizes(before)} to {_sizes(after)} cannot be undone in one step")
    kernel, stride, padding = found.pop()
    return f", k={kernel}, s={stride}" + (f", op={padding}" if padding else "")


def _options(call: Call[nn.Module]) -> str:
    kept = [("bn", "no"), ("act", "relu")]
    values = [(key, call.settings.get(key, default), default) for key, default in kept]
    values = [(key, "before" if value == "pooled" else value, d) for key, value, d in values]
    return "".join(f", {key}={value}" for key, value, default in values if value != default)


def _without_activation(step: str) -> str:
    name, _, rest = step.partition("(")
    inner = [part for part in rest.rstrip(")").split(", ") if not part.startswith(("bn=", "act="))]
    if name == "C'":
        return f"C'({', '.join([*inner, 'act=none'])})"
    return f"{name}'({', '.join(inner)})"


def _no_mirror(call: Call[nn.Module], problem: str) -> NotationError:
    return call.error(f"{problem}; write the decoder out or set it to none")

"""Encoder, decoder and classifier as one network."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from wye.errors import UsageError
from wye.network.components import Components, ImageOfComponents
from wye.network.layers import Route
from wye.network.mirror import mirror
from wye.network.stack import Stack
from wye.network.symbols import Shape
from wye.notation import NotationError
from wye.recipe.schema import NetworkSettings


class Output(NamedTuple):
    """What a network says of a batch; the prediction comes first, as skorch expects.

    Attributes:
        logits: `(N, classes)`, None without a classifier.
        reconstruction: `(N, C, H, W)` in the target's range, None without a decoder.
        latent: the encoder's output.
        side: what the encoder kept aside for a later `J`, None if nothing.
    """

    logits: Tensor | None
    reconstruction: Tensor | None
    latent: Tensor
    side: Tensor | None = None


class Network(nn.Module):
    """One encoder with two branches, each of which may be missing."""

    def __init__(self, encoder: Stack, decoder: Stack | None, classifier: Stack | None) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.classifier = classifier

    @property
    def inputs(self) -> Shape:
        """`(C, H, W)` of one input."""
        return self.encoder.shapes[0]

    @property
    def latent_size(self) -> int:
        """The number of values of one image that the decoder, if there is one, is given.

        Those are the encoder's output and, where a `J` of the decoder reads it, what a `Y` or `PC`
        of the encoder kept aside.
        """
        size, aside = math.prod(self.encoder.outputs), self.encoder.route.side
        if aside is not None and self.decoder is not None:
            names = [call.symbol.name for call in self.decoder.calls]
            if "J" in names and "Y" not in names[: names.index("J")]:
                size += math.prod(aside.shape[1:])
        return size

    @property
    def parts(self) -> dict[str, Stack]:
        """The parts there are, by name."""
        named = {
            "encoder": self.encoder,
            "decoder": self.decoder,
            "classifier": self.classifier,
        }
        return {name: part for name, part in named.items() if part is not None}

    def logits(self, images: Tensor) -> Tensor:
        """The classifier's outputs `(N, outputs)`; there must be one."""
        found: Tensor | None = self(images, branches=("classifier",)).logits
        assert found is not None
        return found

    def forward(
        self,
        images: Tensor,
        branches: Collection[str] = ("decoder", "classifier"),
        no_grad: Collection[str] = (),
        labelled: int | None = None,
    ) -> Output:
        """Send images through the encoder and its branches.

        Args:
            images: `(N, C, H, W)`.
            branches: those to go through, where there are any.
            no_grad: branches to keep out of the graph of gradients.
            labelled: the classifier sees this many of the images, the first ones; all if None.
        """
        # A slice of all is the same but for its gradient: that comes back in another order in
        # memory, and the layers before copy theirs to and fro.
        if labelled is not None and labelled == len(images):
            labelled = None
        route = Route((images.shape[-2], images.shape[-1]))
        latent = self.encoder(images, route)
        outputs: dict[str, Tensor] = {}
        for name in branches:
            if (part := self.parts.get(name)) is not None:
                first = labelled if name == "classifier" else None
                with torch.set_grad_enabled(torch.is_grad_enabled() and name not in no_grad):
                    seen = latent if first is None else latent[:first]
                    outputs[name] = part(seen, route.branch(first))
        return Output(outputs.get("classifier"), outputs.get("decoder"), latent, route.side)


def build_network(settings: NetworkSettings, inputs: Shape, classes: int) -> Network:
    """The network of a recipe for images of shape `inputs` and a number of classes.

    Raises:
        NotationError: a line cannot be read or its layers don't fit each other, the decoder does
            not lead back to the image, or the classifier has not one output per class.
        UsageError: `network.outputs` is less than the number of classes.
    """
    encoder = _part("encoder", settings.encoder, inputs)
    if not encoder.calls:
        raise UsageError("network.encoder is empty; an encoder needs at least one symbol")
    decoder = classifier = None
    if settings.decoder != "none":
        try:
            line = mirror(encoder) if settings.decoder == "mirror" else settings.decoder
            line = re.sub(r"\bimage\b", _sizes(inputs), line)
            line = re.sub(r"\bvalues\b", str(math.prod(inputs)), line)
        except NotationError as error:
            raise error.at("network.decoder=mirror of the encoder") from None
        decoder = _part("decoder", line, encoder.outputs, encoder.route)
        if decoder.outputs != inputs:
            raise _misfit("decoder", decoder, f"an image of {_sizes(inputs)}")
    if settings.classifier != "none":
        outputs = settings.outputs or classes
        if outputs < classes:
            raise UsageError(f"network.outputs={outputs}: there are {classes} classes")
        line = re.sub(r"\bclasses\b", str(outputs), settings.classifier)
        classifier = _part("classifier", line, encoder.outputs, encoder.route)
        if classifier.outputs != (outputs,):
            why = "one per class" if outputs == classes else "by network.outputs"
            raise _misfit("classifier", classifier, f"{outputs} values, {why}")
    network = Network(encoder, decoder, classifier)
    _check_components(network)
    _initialise(network, settings.init)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.momentum = settings.norm_momentum or module.momentum
            module.eps = settings.norm_eps or module.eps
    return network


def _check_components(network: Network) -> None:
    """Refuse components that nothing would ever fill, or fill with others than they are read as."""
    head = network.encoder.layers[0]
    aside = [
        call.symbol.name for call in network.encoder.calls if call.symbol.name in ("Y", "J", "PC")
    ]
    for name, part in network.parts.items():
        for index, (call, layer) in enumerate(zip(part.calls, part.layers, strict=True)):
            problem = ""
            if isinstance(layer, Components) and (name, index) != ("encoder", 0):
                problem = "PC is of the images, so it comes first in the encoder"
            elif isinstance(layer, ImageOfComponents):
                known = head.count if isinstance(head, Components) else 0
                if (name, index) != ("decoder", 0) or known != layer.count:
                    problem = (
                        "PC' comes first in the decoder, behind an encoder"
                        f" PC({layer.count}) > ... > J"
                    )
                elif aside != ["PC", "J"] or network.encoder.calls[-1].symbol.name != "J":
                    problem = (
                        "PC' needs an encoder that ends in J and has no Y, so that PC's values"
                        " come last"
                    )
            if problem:
                raise call.error(problem).at(f"network.{name}")


def _part(name: str, text: str, inputs: Shape, route: Route | None = None) -> Stack:
    try:
        return Stack(text, inputs, route)
    except NotationError as error:
        raise error.at(f"network.{name}") from None


def _sizes(shape: Shape) -> str:
    return "x".join(map(str, shape))


def _misfit(name: str, stack: Stack, wanted: str) -> UsageError:
    problem = f"the {name} ends in {_sizes(stack.outputs)}; it must end in {wanted}"
    if not stack.calls:
        return UsageError(f"network.{name} is empty: {problem}")
    return stack.error(problem).at(f"network.{name}")


def _initialise(network: nn.Module, init: str) -> None:
    """Draw the first weights; `default` are PyTorch's own, which the layers already hold."""
    for module in network.modules():
        if not isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            continue
        match init:
            case "he":
                _fill(module, nn.init.kaiming_normal_)
            case "glorot":  # as Keras does (studies S1 and S3)
                _fill(module, nn.init.xavier_uniform_)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            case "dirac" if isinstance(module, nn.Conv2d) and module.kernel_size[0] > 1:
                _fill(module, lambda weight: nn.init.dirac_(weight[: min(weight.shape[:2])]))


def _fill(
    module: nn.Conv2d | nn.ConvTranspose2d | nn.Linear, initialise: Callable[[Tensor], object]
) -> None:
    """Initialise a module's weight, also where it is computed from others (weight norm)."""
    with torch.no_grad():
        weight = module.weight.detach().clone()
        initialise(weight)
        if is_parametrized(module, "weight"):
            setattr(module, "weight", weight)  # noqa: B010 (a property by then)
        else:
            module.weight.copy_(weight)

"""First weights of backbones: those that their makers published, or a local file's."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from wye.errors import UsageError
from wye.network.backbones import BACKBONES, Backbone, backbone
from wye.network.efficientnet_lite import RESCALE
from wye.network.weight_files import weight_file
from wye.recipe import Recipe

State = Mapping[str, Tensor]


def takes_weights(recipe: Recipe) -> bool:
    """Whether there is a backbone in a recipe's network, or in its feature term."""
    lines = (recipe.network.encoder, recipe.network.decoder, recipe.network.classifier)
    features = any(phase.loss.phi > 0 for phase in recipe.resolved_phases())
    return features or any(name in line for line in lines for name in BACKBONES)


def needs_weights(recipe: Recipe) -> bool:
    """Whether a run begins with published weights, or its loss compares features of such."""
    return takes_weights(recipe) and recipe.weights != "random"


def load_weights(network: nn.Module, weights: str) -> None:
    """Fill every backbone in a network, in place.

    Args:
        network: its backbones may be whole or some blocks each.
        weights: as in `Recipe.weights`: `imagenet`, `random` (nothing is changed), or the path of a
            file (.pth, .pt, .safetensors) or of a folder of files under their usual names. A file
            may hold a whole network; what comes after its convolutional part is passed over.

    Raises:
        UsageError: the path leads nowhere, its file does not fit, or torchvision is missing.
        MachineError: the published weights are not here and cannot be fetched; how they can be had.
    """
    if weights == "random":
        return
    read: dict[str, tuple[State, Path]] = {}
    for module in network.modules():
        if isinstance(module, Backbone):
            if module.name not in read:
                path = weight_file(module.name, weights)
                read[module.name] = _read(module.name, path), path
            module.blocks.load_state_dict(_fitting(module, *read[module.name]))


def pretrained(name: str, weights: str) -> Backbone:
    """A whole backbone by name, with the weights that `load_weights` finds for it.

    Random ones are drawn from torch's global generator; see `wye.streams.Streams.applied`.

    Raises:
        UsageError: no backbone has the name, and as `load_weights`.
        MachineError: as `load_weights`.
    """
    whole = backbone(name)
    load_weights(whole, weights)
    return whole


def _read(name: str, path: Path) -> State:
    """The state dict in a file, by the names of the backbone's blocks."""
    try:
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (
        OSError,
        EOFError,
        KeyError,
        RuntimeError,
        ValueError,
        SafetensorError,
        pickle.UnpicklingError,
    ) as error:
        reason = str(error).strip().partition("\n")[0][:200] or type(error).__name__
        raise UsageError(f"weights: {path} cannot be read as a weight file: {reason}") from None
    if not isinstance(state, Mapping) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items()
    ):
        raise UsageError(f"weights: {path} should hold a state dict: tensors by name, no more")
    return _by_position(state, path) if name == "efficientnet_lite0" else state


def _by_position(state: State, path: Path) -> State:
    """An EfficientNet-Lite0's state dict under the names of our blocks.

    Each of its publishers calls the tensors otherwise, but all have the same ones in the same
    order, the classifier's two last.
    """
    with torch.device("meta"):
        keys = [key for key, _ in _expected(backbone("efficientnet_lite0")) if RESCALE not in key]
    if len(state) - len(keys) not in (0, 2):
        raise UsageError(
            f"weights: {path} does not fit efficientnet_lite0: it holds {len(state)} tensors, not"
            f" {len(keys)}, or {len(keys) + 2} with the classifier"
        )
    return dict(zip(keys, state.values(), strict=False))


def _expected(module: Backbone) -> Iterator[tuple[str, str]]:
    """For each tensor of a backbone its name in the published state dict and in `blocks`."""
    for index, (name, block) in enumerate(zip(module.block_names, module.blocks, strict=True)):
        for key in block.state_dict():
            yield f"{name}.{key}", f"{index}.{key}"


def _fitting(module: Backbone, state: State, path: Path) -> dict[str, Tensor]:
    """What `module.blocks` takes of a state dict.

    Raises:
        UsageError: a tensor is missing, of another shape, or one too many in these blocks.
    """
    filled = module.blocks.state_dict()
    expected = dict(_expected(module))
    blocks = tuple(f"{name}." for name in module.block_names)
    faults = [
        f"{key} is one too many" for key in state if key.startswith(blocks) and key not in expected
    ]
    for key, own in expected.items():
        if key not in state:
            # Old files don't count batches, and none knows how our stem rescales its images.
            if RESCALE not in key and not key.endswith("num_batches_tracked"):
                faults.append(f"{key} is missing")
        elif state[key].shape != filled[own].shape:
            faults.append(f"{key} is {_sizes(state[key])}, not {_sizes(filled[own])}")
        else:
            filled[own] = state[key]
    if faults:
        more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
        raise UsageError(
            f"weights: {path} does not fit {module.name}: {', '.join(faults[:3])}{more}"
        )
    return filled


def _sizes(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "one number"

"""Whether a checkpoint's state is one that a training can go on from, before any of it is taken."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from pydantic import BaseModel, ConfigDict, Field, InstanceOf, ValidationError
from torch import Tensor, nn

from wye.recipe.schema import ResolvedPhase
from wye.wording import wording

Whole = Annotated[int, Field(ge=0, lt=2**63)]


class UnfitError(ValueError):
    """A state is not this training's; the message says where."""


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class _Best(_Part):
    best: float
    lowest: float
    waited: Whole


class _Rate(_Part):
    factor: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    best: float
    waited: Whole
    resting: Whole


class _Made(_Part):
    pixels: InstanceOf[Tensor]
    labels: InstanceOf[Tensor]


class _State(_Part):
    phase_index: Whole
    epochs_in_phase: Whole
    epochs_done: Whole
    steps_done: Whole
    network: dict[str, InstanceOf[Tensor]]
    checkpoint: _Best
    synthetic: _Made | None = None
    optimizer: dict[str, Any] | None = None
    schedule: _Rate | None = None


KEPT = {
    "adam": ("step", "exp_avg", "exp_avg_sq"),
    "adamw": ("step", "exp_avg", "exp_avg_sq"),
    "adagrad": ("step", "sum"),
    "rmsprop": ("step", "square_avg"),
}
"""What an optimiser must have kept of a parameter that it has changed."""


def check_state(
    state: Any, phases: tuple[ResolvedPhase, ...], network: nn.Module, image: torch.Size
) -> None:
    """See that a state has all that a `Trainer` of these phases reads, in the right form.

    Args:
        image: `(C, H, W)` of the stored training images.

    Raises:
        UnfitError: it has not.
    """
    try:
        found = _State.model_validate(state)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise UnfitError(f"{'.'.join(map(str, first['loc']))}: {wording(first)}"[:200]) from None
    if fault := misfit(network, found.network):
        raise UnfitError(f"network: {fault}")
    if found.synthetic is not None:
        pixels, labels = found.synthetic.pixels, found.synthetic.labels
        if (
            unusable(pixels)
            or unusable(labels)
            or (pixels.dtype, labels.dtype) != (torch.uint8, torch.int64)
            or (pixels.shape != (len(labels), *image) or labels.ndim != 1)
        ):
            raise UnfitError("synthetic: it holds no images of the training images' size")
    index, done = found.phase_index, found.epochs_in_phase
    if index > len(phases) or done >= (phases[index].train.epochs if index < len(phases) else 1):
        raise UnfitError(f"phase_index={index}, epochs_in_phase={done}: the recipe is shorter")
    if index < len(phases) and (found.optimizer is None or found.schedule is None):
        raise UnfitError("optimizer or schedule is missing")


def check_optimizer(wanted: Any, found: Any, name: str, sizes: list[torch.Size]) -> None:
    """See that the state of an optimiser is one of its own, like a new one's in all but numbers.

    Args:
        wanted: the state of a new one.
        found: the state to go on from.
        name: of the optimiser, in a recipe.
        sizes: of the parameters, in the order of their groups.

    Raises:
        UnfitError: it is not.
    """
    if name == "muon":  # a state for each of its two
        if not isinstance(found, dict) or found.keys() != wanted.keys():
            raise UnfitError("optimizer: its parts are others")
        for part, own in wanted.items():
            count = sum(len(group["params"]) for group in own["param_groups"])
            kind = "adamw" if "betas" in own["param_groups"][0] else ""
            check_optimizer(own, found[part], kind, sizes[:count])
            sizes = sizes[count:]
        return
    if not isinstance(found, dict) or found.keys() != wanted.keys():
        raise UnfitError("optimizer: it holds no groups and state")
    if not _alike(found["param_groups"], wanted["param_groups"]):
        raise UnfitError("optimizer.param_groups: they are not those of the network's parameters")
    if not isinstance(found["state"], dict):
        raise UnfitError("optimizer.state: it should be by parameter")
    for at, kept in found["state"].items():
        if type(at) is not int or not 0 <= at < len(sizes) or not isinstance(kept, dict):
            raise UnfitError("optimizer.state: there are no such parameters")
        needed = KEPT.get(name, ())
        if name == "rmsprop" and wanted["param_groups"][0]["momentum"]:
            needed = (*needed, "momentum_buffer")
        if missing := [key for key in needed if kept.get(key) is None]:
            raise UnfitError(f"optimizer.state.{at}: {missing[0]} is missing")
        for key, value in kept.items():
            if not isinstance(key, str) or not _is_kept(
                value, sizes[at] if key != "step" else None
            ):
                raise UnfitError(f"optimizer.state.{at}: {str(key)[:40]} is of another form")


def _is_kept(value: Any, size: torch.Size | None) -> bool:
    if isinstance(value, Tensor):
        plain = not unusable(value) and value.is_floating_point()
        return plain and value.shape == (size or ())
    return value is None or (size is None and type(value) in (int, float))


def _alike(found: Any, wanted: Any) -> bool:
    """Whether two nested values have the same form, and the same whole numbers where counted."""
    if isinstance(wanted, dict):
        return (
            isinstance(found, dict)
            and found.keys() == wanted.keys()
            and (found.get("params") == wanted.get("params"))
            and all(_alike(found[key], wanted[key]) for key in wanted if key != "params")
        )
    if isinstance(wanted, list | tuple):
        same = isinstance(found, list | tuple) and len(found) == len(wanted)
        return same and all(map(_alike, found, wanted))
    numbers = (int, float)
    if isinstance(wanted, numbers) and not isinstance(wanted, bool):
        return isinstance(found, numbers) and not isinstance(found, bool)
    return type(found) is type(wanted)


def misfit(network: nn.Module, state: Any) -> str:
    """The first reason why a state is not this network's; empty if it is."""
    if not isinstance(state, dict):
        return "it holds no weights by name"
    wanted = network.state_dict()
    for name, tensor in wanted.items():
        found = state.get(name)
        if not isinstance(found, Tensor):
            return f"{name} is missing"
        if fault := unusable(found):
            return f"{name} is {fault}"
        for kind in ("shape", "dtype"):
            if (has := getattr(found, kind)) != (needs := getattr(tensor, kind)):
                return f"{name} is {_said(has)}, not {_said(needs)}"
    return next((f"{name} is one too many" for name in state if name not in wanted), "")


def unusable(tensor: Any) -> str:
    """What a tensor that was read is, where no network computes with it; empty if one does."""
    if not isinstance(tensor, Tensor):
        return "no tensor"
    if tensor.is_nested:
        return "a nested tensor"
    if tensor.layout != torch.strided:
        return "a sparse tensor"
    if tensor.is_quantized:
        return "a quantized tensor"
    if tensor.device.type == "meta":
        return "a tensor without numbers"
    return "" if type(tensor) in (Tensor, nn.Parameter) else f"a {type(tensor).__name__}"


def _said(kind: Any) -> str:
    if isinstance(kind, tuple):
        return "x".join(map(str, kind)) or "one number"
    return str(kind).removeprefix("torch.")

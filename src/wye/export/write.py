"""Writing the file: made beside its place, compared with PyTorch, and kept if it agrees."""

from __future__ import annotations

import copy
import json
import logging
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import le
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wye._version import __version__
from wye.errors import MachineError, UsageError
from wye.export import onnx_file
from wye.export.part import PARTS, Exportable, Part
from wye.files import scratch, write_atomically
from wye.registry import suggest

__all__ = ["FORMATS", "PARTS", "Exported", "export"]

TOLERANCE = 1e-3
"""Largest difference from PyTorch with which a file is kept, for each output as a fraction of its
largest value where that is above 1."""

Runner = Callable[[Tensor], Sequence[Tensor]]


@dataclass(frozen=True)
class Exported:
    """A file that was written.

    Attributes:
        difference: the largest one of any output from PyTorch's, absolute.
        size: in bytes.
        run: gives the file's outputs for inputs.
    """

    path: Path
    difference: float
    size: int
    run: Runner


def export(
    model: Exportable,
    path: Path | str,
    form: str = "onnx",
    part: str = "classifier",
    quantize: str | None = None,
    images: Tensor | None = None,
) -> Exported:
    """Write a part of a model as one file, with its preprocessing inside and any batch size.

    Args:
        form: `onnx`, `torch` (`torch.export`, .pt2) or `torchscript`.
        part: `classifier` (pixels to probabilities), `encoder` (pixels to codes), `decoder` (codes
            to images) or `whole`.
        quantize: `int8`, of an onnx file: weights and activations, ranges found on `images`.
        images: uint8 `(N, C, H, W)`, compared on; random ones if not given.

    Raises:
        UsageError: no such form or part, or a package is missing.
        MachineError: the network cannot be exported, or the file computes something else.
    """
    if form not in FORMATS:
        raise UsageError(f"no format {form!r}; {suggest(form, FORMATS)}")
    if quantize not in (None, "int8") or (quantize and (form != "onnx" or part == "decoder")):
        raise UsageError("quantize=int8 is for the format onnx, of parts that take pixels")
    if quantize and images is None:
        raise UsageError("quantize=int8 needs images that the ranges are found on")
    if form == "onnx":
        onnx_file.need_packages()
    # A copy: the caller's model stays in its mode and on its device.
    exported = Part(copy.deepcopy(model).cpu().eval(), part).eval()  # type: ignore[attr-defined]
    inputs = exported.example(4) if part == "decoder" or images is None else images
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with torch.no_grad(), scratch(path) as folder:
        made = folder / "made"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of torch's exporter, about itself
                FORMATS[form](exported, made, _metadata(model, exported, quantize))
                if quantize:
                    made = onnx_file.quantized(exported, made, inputs)
                runner = READERS[form](made)
        except WYE_FAULTS as error:
            reason = (str(error).strip().splitlines() or [""])[0][:200]
            name = model.config["row"]
            raise MachineError(f"{name} cannot be written as {form}: {reason}") from error
        pairs = list(zip(exported(inputs), runner(inputs), strict=True))
        differences = [float((a - b).abs().max()) for a, b in pairs]
        allowed = [TOLERANCE * max(1.0, float(a.abs().max())) for a, _ in pairs]
        difference = max(differences, default=0.0)
        if not quantize and not all(map(le, differences, allowed)):
            raise MachineError(
                f"the {form} file of {model.config['row']} is not kept, because it differs from"
                f" PyTorch by {difference:.1e}"
            )
        content = made.read_bytes()
    write_atomically(path, content)
    return Exported(path, difference, len(content), runner)


WYE_FAULTS = (RuntimeError, ValueError, TypeError, NotImplementedError, AttributeError, OSError)
"""What exporters raise of layers that they do not know."""


def _metadata(model: Exportable, part: Part, quantize: str | None) -> dict[str, str]:
    config = model.config
    return {
        "row": config["row"],
        "data": str(config.get("data", "")),
        "classes": json.dumps(model.classes),
        "pixels": json.dumps(model.pixels),
        "prepare": config["prepare"],
        "input": part.input,
        "outputs": json.dumps(part.outputs),
        "quantized": quantize or "",
        "licence": "Apache-2.0 for the code; the weights' is that of the data",
        "wye": __version__,
    }


def _batch(values: Tensor) -> tuple[dict[int, Any], ...]:
    return ({0: torch.export.Dim("batch")},)


def _to_onnx(part: Part, path: Path, metadata: dict[str, str]) -> None:
    onnx_file.write(part, path, metadata)


def _to_torch(part: Part, path: Path, metadata: dict[str, str]) -> None:
    inputs = part.example()
    program = torch.export.export(part, (inputs,), dynamic_shapes=_batch(inputs))
    with path.open("wb") as file:
        torch.export.save(program, file, extra_files={"metadata.json": json.dumps(metadata)})


def _to_torchscript(part: Part, path: Path, metadata: dict[str, str]) -> None:
    traced = torch.jit.trace(part, (part.example(),))
    torch.jit.save(traced, path, _extra_files={"metadata.json": json.dumps(metadata)})


def _read_torch(path: Path) -> Runner:
    with path.open("rb") as file:
        return torch.export.load(file).module()


def _read_torchscript(path: Path) -> Runner:
    loaded: Runner = torch.jit.load(str(path))
    return loaded


FORMATS: dict[str, Callable[[Part, Path, dict[str, str]], None]] = {
    "onnx": _to_onnx,
    "torch": _to_torch,
    "torchscript": _to_torchscript,
}
READERS: dict[str, Callable[[Path], Runner]] = {
    "onnx": onnx_file.read,
    "torch": _read_torch,
    "torchscript": _read_torchscript,
}
ENDINGS = {"onnx": ".onnx", "torch": ".pt2", "torchscript": ".pt"}

logging.getLogger("torch.onnx").setLevel(logging.ERROR)

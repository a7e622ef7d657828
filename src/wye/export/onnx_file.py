"""ONNX files: written, quantised, and run by onnxruntime."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wye.errors import UsageError
from wye.export.part import Part

CALIBRATION = 200
"""Images that the ranges of activations are found on."""


def need_packages() -> None:
    """Refuse where a package is missing.

    Raises:
        UsageError: with the command that installs it.
    """
    needed = ("onnx", "onnxscript", "onnxruntime")
    if missing := [name for name in needed if importlib.util.find_spec(name) is None]:
        raise UsageError(f"ONNX needs {', '.join(missing)}: pip install 'wye[export]'")


def write(part: Part, path: Path, metadata: dict[str, str]) -> None:
    """Write a part as ONNX, weights inside, any number of images at a time."""
    import onnx

    inputs = part.example()
    program = torch.onnx.export(
        part,
        (inputs,),
        dynamo=True,
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        input_names=[part.input],
        output_names=list(part.outputs),
        verbose=False,
    )
    assert program is not None
    proto = program.model_proto
    onnx.helper.set_model_props(proto, metadata)
    path.write_bytes(proto.SerializeToString())


def read(path: Path) -> Callable[[Tensor], Sequence[Tensor]]:
    """What runs the file."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def run(inputs: Tensor) -> list[Tensor]:
        return [torch.from_numpy(made) for made in session.run(None, {name: inputs.numpy()})]

    return run


def quantized(part: Part, path: Path, images: Tensor) -> Path:
    """The file with 8-bit weights and activations, whose ranges are those met on the images."""
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            batches = images[:CALIBRATION].split(20)
            self.batches: Iterator[Any] = iter([{part.input: batch.numpy()} for batch in batches])

        def get_next(self) -> Any:
            return next(self.batches, None)

    smaller = path.with_name("quantized")
    kept = {each.key: each.value for each in onnx.load(str(path)).metadata_props}
    quantize_static(
        str(path), str(smaller), Reader(), quant_format=QuantFormat.QDQ, per_channel=True
    )
    proto = onnx.load(str(smaller))
    onnx.helper.set_model_props(proto, kept)
    smaller.write_bytes(proto.SerializeToString())
    return smaller

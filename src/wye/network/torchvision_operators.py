"""Importing torchvision's models, also where its compiled operators don't suit the torch beside it.

The registry's wheel is built for CUDA. Beside a CPU build of torch its operators cannot load, and
`import torchvision` then fails because `torchvision::nms` does not exist, though its models use
none of them.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from functools import cache
from pathlib import Path
from typing import Any

import torch

from wye.errors import UsageError


def torchvision_models() -> Any:
    """The module `torchvision.models`, imported when it is first asked for (1 to 2 seconds).

    Raises:
        UsageError: torchvision is not installed, or does not suit the torch that is.
    """
    if importlib.util.find_spec("torchvision") is None:
        raise UsageError(
            "the networks of ImageNet come with torchvision, which is not installed;"
            " install wye[backbones]"
        )
    try:
        # Constants that a module makes on import must not end up on the caller's meta device.
        with torch.device("cpu"):
            _declare_operators()
            return importlib.import_module("torchvision.models")
    except (ImportError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise UsageError(
            f"torchvision does not work beside torch {torch.__version__} ({reason});"
            " install the release that belongs to it: wye[backbones]"
        ) from error


# The declarations last as long as the object that made them, which the cache keeps.
@cache
def _declare_operators() -> torch.library.Library | None:
    """Declare the two operators that the import looks up, where the real ones cannot load.

    Where they can, a second declaration would abort the process.
    """
    spec = importlib.util.find_spec("torchvision")
    if "torchvision" in sys.modules or spec is None or not spec.submodule_search_locations:
        return None
    for compiled in sorted(Path(spec.submodule_search_locations[0]).glob("_C*")):
        try:
            torch.ops.load_library(str(compiled))
        except OSError:
            continue
        return None
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library

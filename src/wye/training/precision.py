"""The precision of the multiplications: bf16 where this machine is quick at it."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from wye.files import cache_folder, write_atomically
from wye.machine import cpu_name

Module = TypeVar("Module", bound=nn.Module)

logger = logging.getLogger("wye")


def choose_precision(setting: str, network: nn.Module, device: torch.device) -> str:
    """`fp32` or `bf16` for a network on a device; a setting other than `auto` is kept.

    On a CPU, bf16 is for networks with convolutions only: linear layers at the studies' batch
    sizes spend their time reading weights, which must be kept in fp32 anyway.
    """
    if setting != "auto":
        return setting
    convolutional = any(
        isinstance(module, nn.Conv2d | nn.ConvTranspose2d) for module in network.modules()
    )
    return as_trained("bf16", device) if convolutional or device.type == "cuda" else "fp32"


def as_trained(precision: str, device: torch.device) -> str:
    """The precision that a network was trained in, and fp32 where a device is not quick at it."""
    if precision == "bf16" and not _quick_at_bf16(device):
        return "fp32"
    return precision


def _quick_at_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return device.type == "cpu" and bf16_pays()


def channels_last(module: Module) -> Module:
    """The module with the weights of its convolutions in channels_last order."""
    # torch's annotations don't know this form of `to`.
    return module.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


@contextmanager
def multiplying_in(precision: str, device: torch.device) -> Iterator[None]:
    """Autocast to bf16, or nothing for fp32."""
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16"):
        yield


@cache
def bf16_pays() -> bool:
    """Whether a bf16 convolution is at least 1.2 times as quick as an fp32 one on this CPU.

    Measured once per CPU and torch version, and remembered in the cache folder: a choice made
    anew for each run could change with the weather, and with it the weights of a repeated run.
    """
    known = cache_folder() / "precision.json"
    key = f"{cpu_name()} torch {torch.__version__}"
    answers = _read(known)
    if key not in answers:
        ratio = _speedup()
        answers[key] = ratio >= 1.2
        logger.info(
            "convolutions in bf16 are %.1f times as fast as in fp32 here, so training uses %s",
            ratio,
            "bf16" if answers[key] else "fp32",
        )
        try:
            known.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(known, json.dumps(answers, indent=1).encode())
        except OSError as error:
            logger.info("not remembered: %s", error)
    return answers[key]


def _read(path: Path) -> dict[str, bool]:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _speedup() -> float:
    layer = channels_last(nn.Conv2d(64, 64, 3, padding=1))
    images = torch.rand(64, 64, 16, 16).contiguous(memory_format=torch.channels_last)
    times: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(12):
        for enabled, taken in times.items():
            start = time.perf_counter()
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
                layer(images).float().sum().backward()
            taken.append(time.perf_counter() - start)
    # The least time is the one that other programs on the machine disturbed least.
    return min(times[False]) / min(times[True])

"""The record of where a run was made: versions, processor, device, commit, command."""

from __future__ import annotations

import datetime
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from wye._version import __version__
from wye.machine import cores, cpu_name, memory_gb
from wye.training.ranks import ALONE, Ranks, device_name

LIBRARIES = ("torch", "numpy", "pillow", "pydantic", "safetensors", "pytorch-msssim")


def environment(
    device: torch.device, precision: str, command: str, ranks: Ranks = ALONE
) -> dict[str, Any]:
    """What `environment.json` holds."""
    return {
        "wye": __version__,
        "commit": _commit(),
        "command": command,
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        **{library: metadata.version(library) for library in LIBRARIES},
        "platform": platform.platform(),
        "processor": cpu_name(),
        "cores": cores(),
        "threads": torch.get_num_threads(),
        "memory_gb": memory_gb(),
        "device": str(device),
        "device_name": device_name(device),
        "processes": ranks.count,
        **({"devices": list(ranks.devices)} if ranks.several else {}),
        "precision": precision,
    }


def _commit() -> str | None:
    """The commit of this source tree, `+` behind it if the tree was changed since."""
    folder = Path(__file__).parent

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
            stdin=subprocess.DEVNULL,
        ).stdout.strip()

    try:
        # An installed copy may lie inside somebody else's repository.
        if not git("ls-files", "--", str(Path(__file__).name)):
            return None
        changed = git("status", "--porcelain", "--untracked-files=no", "--", str(folder))
        return git("rev-parse", "--short=12", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.SubprocessError):
        return None

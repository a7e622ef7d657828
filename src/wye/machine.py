"""What this machine is: for the choice of a precision and for the record of a run."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from wye.errors import UsageError
from wye.wording import shown

_CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")


@dataclass(frozen=True)
class Place:
    """This process among those that torchrun started for one run.

    Attributes:
        rank: its number, from 0; number 0 alone writes, measures and prints.
        ranks: how many there are.
        local_rank, local_ranks: the same of those on this machine.
    """

    rank: int = 0
    ranks: int = 1
    local_rank: int = 0
    local_ranks: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this is process 0."""
        return self.rank == 0

    @property
    def launcher(self) -> list[str]:
        """The words of a command line that start so many processes, before `wye`."""
        if self.ranks == 1:
            return []
        machines = self.ranks // self.local_ranks
        nodes = ["--nnodes", str(machines)] if machines > 1 else []
        return ["torchrun", *nodes, "--nproc-per-node", str(self.local_ranks), "-m"]


def here() -> Place:
    """Where torchrun put this process; alone if it didn't.

    Raises:
        UsageError: what it says contradicts itself.
    """
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    values = [os.environ.get(name, "") for name in names]
    if not all(value.isdecimal() for value in values):
        return Place()
    said = " ".join(f"{name}={shown(value)}" for name, value in zip(names, values, strict=True))
    if max(map(len, values)) > 6:
        raise UsageError(f"{said}: so many processes there are not; torchrun sets these variables")
    place = Place(*map(int, values))
    if place.rank >= place.ranks or not place.local_rank < place.local_ranks <= place.ranks:
        raise UsageError(
            f"{said}: there is no such process among so many; torchrun sets these variables"
        )
    return place


def check_meeting() -> None:
    """See that the processes of a run are told where they meet.

    Raises:
        UsageError: they are not.
    """
    for name in ("MASTER_ADDR", "MASTER_PORT"):
        value = os.environ.get(name, "")
        if not value:
            raise UsageError(f"{name} is missing, which torchrun sets beside RANK and WORLD_SIZE")
        if name == "MASTER_PORT" and not re.fullmatch(r"[0-9]{1,5}", value):
            raise UsageError(f"MASTER_PORT={shown(value)}: it should be a number, as of torchrun")


@cache
def cpu_name() -> str:
    """The CPU's name by the operating system."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def cores() -> int:
    """CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory_bytes() -> int | None:
    """Main memory that this process may use, where the system tells: a container's limit too."""
    try:
        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None
    try:
        return min(whole, int(_CONTAINER_LIMIT.read_text()))
    except (OSError, ValueError):  # no container, or one without a limit ("max")
        return whole


def memory_gb() -> float | None:
    """Main memory in GB (10^9 bytes), where the system tells."""
    found = memory_bytes()
    return None if found is None else round(found / 1e9, 1)


def wait_passively() -> None:
    """Let threads that wait for others sleep instead of spin, before torch's runtime loads.

    Spinning threads hold cores that others could use: beside other programs on two cores a
    training with them is three to five times slower. OMP_WAIT_POLICY and GOMP_SPINCOUNT of the
    user's own stand. Nothing where torch is loaded already: its runtime has read them.
    """
    if "torch" not in sys.modules and "GOMP_SPINCOUNT" not in os.environ:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def keep_freed_memory() -> None:
    """Let this process keep the memory that it frees, where the C library lets it (glibc).

    Each training step frees and takes the same large blocks again. By default glibc hands them back
    to the system every time, and taking them again costs a page fault every 4 kB: a third of a
    step of a small network.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        library = ctypes.CDLL("libc.so.6")
        for option, value in ((_M_MMAP_THRESHOLD, 32 << 20), (_M_TRIM_THRESHOLD, 2**31 - 1)):
            library.mallopt(option, value)
    except (OSError, AttributeError):  # another C library
        return


# From glibc's malloc.h; 32 MB is the largest threshold that it takes.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3

"""The processes that train one network together: data-parallel, without a loop of their own.

Each process holds all images and the whole network, takes its shard of every batch, and adds its
gradients to those of the others before each step. Process 0 decides whatever a rounding or a clock
could decide otherwise elsewhere.

Gradients are added up in one piece after the backward pass rather than by torch's
DistributedDataParallel: that averages over processes where shards may be uneven, and has to know
which parameters each pass leaves out, which here depends on phase, weights and frozen layers.
"""

from __future__ import annotations

import atexit
import contextlib
import datetime
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from wye.batch import Batch, Shard
from wye.errors import ElsewhereError, MachineError, UsageError, WyeError, message_of
from wye.machine import check_meeting, cpu_name, here

T = TypeVar("T")

LOST = "another process of this run has ended; --resume goes on after the last whole epoch"

PATIENCE = datetime.timedelta(days=1)
"""How long a process waits for another, which may be measuring or fetching data. One that has died
is noticed at once."""


@dataclass(frozen=True)
class _Failure:
    message: str
    exit_status: int


@dataclass(frozen=True)
class Ranks:
    """The processes of a run, seen from one of them; a process alone needs nobody.

    Attributes:
        rank: the number of this one, from 0.
        device: of this one.
        devices: of all of them, in order, for people.
    """

    rank: int = 0
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    devices: tuple[str, ...] = ("",)

    @property
    def count(self) -> int:
        """How many processes there are."""
        return len(self.devices)

    @property
    def several(self) -> bool:
        """Whether there is any other process."""
        return self.count > 1

    @property
    def is_main(self) -> bool:
        """Whether this is process 0, which writes, measures and prints."""
        return self.rank == 0

    def shard_of(self, batch: Batch) -> Shard | None:
        """What this process computes with; None, all of it, if it is alone."""
        return Shard.of(batch, self.rank, self.count) if self.several else None

    def broadcast(self, message: Any) -> None:
        """Send something from process 0 to the others; tensors change to their device."""
        if self.several:
            buffer = io.BytesIO()
            torch.save(message, buffer)
            self._broadcast([buffer.getvalue()])

    def give_up(self, error: WyeError) -> None:
        """Let the others know, while they wait to receive something, that process 0 has failed."""
        self.broadcast(_Failure(message_of(error), error.exit_status))

    def receive(self) -> Any:
        """Wait for what process 0 broadcasts.

        Raises:
            ElsewhereError: it gave up, or ended without a word.
        """
        received: list[Any] = [None]
        self._broadcast(received)
        # From process 0 of this very run, which is as much to be trusted as this one.
        message = torch.load(io.BytesIO(received[0]), map_location=self.device, weights_only=False)
        if isinstance(message, _Failure):
            raise ElsewhereError(message.message, message.exit_status)
        return message

    def from_main(self, make: Callable[[], T]) -> T:
        """What `make` gives in process 0, in all of them; it isn't called in the others."""
        if not self.is_main:
            received: T = self.receive()
            return received
        made = make()
        self.broadcast(made)
        return made

    def add_up(self, parameters: Iterable[nn.Parameter], values: list[Tensor]) -> list[Tensor]:
        """Add the gradients of all processes up, in place, and numbers beside them.

        Args:
            parameters: those without a gradient must be the same in all processes.
            values: scalars.

        Returns:
            The sums of the numbers, float32.
        """
        gradients = [each.grad for each in parameters if each.grad is not None]
        pieces = [*gradients, *(value.detach() for value in values)]
        flat = torch.cat([piece.float().flatten() for piece in pieces])
        added_up(flat)
        sums = list(flat.split([piece.numel() for piece in pieces]))
        for gradient, total in zip(gradients, sums, strict=False):
            gradient.copy_(total.view(gradient.shape))
        return [total.squeeze() for total in sums[len(gradients) :]]

    def _broadcast(self, messages: list[Any]) -> None:
        import torch.distributed as dist

        with _noticing_loss():
            dist.broadcast_object_list(messages, src=0, device=torch.device("cpu"))


ALONE = Ranks()


def join(device: torch.device) -> Ranks:
    """The processes that torchrun started beside this one; `ALONE` if it started none.

    Args:
        device: of this process: gloo joins CPUs, nccl CUDA devices.

    Raises:
        UsageError: it is not said where they meet.
        WyeError: the others cannot be reached.
    """
    place = here()
    if place.ranks == 1:
        return ALONE
    check_meeting()
    import torch.distributed as dist

    with _noticing_loss(f"process {place.rank} cannot reach the {place.ranks - 1} others"):
        if not dist.is_initialized():
            # Imported later, it would hold on to the group as the default of its arguments: the
            # group's threads would outlive it, and may abort the process while Python ends.
            import torch.distributed.nn

            cuda = device.type == "cuda"
            if cuda:
                torch.cuda.set_device(device)
            dist.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo", timeout=PATIENCE)
            atexit.register(dist.destroy_process_group)
        devices: list[str] = [""] * place.ranks
        dist.all_gather_object(devices, f"{device} ({device_name(device)})")
    return Ranks(place.rank, device, tuple(devices))


def device_name(device: torch.device) -> str:
    """What a device is called by its maker."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else cpu_name()


def added_up(values: Tensor) -> Tensor:
    """The sum of a tensor over all processes, in place."""
    import torch.distributed as dist

    with _noticing_loss():
        dist.all_reduce(values)
    return values


@contextlib.contextmanager
def _noticing_loss(what: str = LOST) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        # The first process that is left says it: the one that ended could not, if it was killed.
        raise (MachineError if here().rank <= 1 else ElsewhereError)(what) from error


def choose_device(name: str) -> torch.device:
    """The device called `name`; `auto` is the best there is.

    Under torchrun each process has a CUDA device of its own, in the order of their numbers.

    Raises:
        UsageError: there is no such device here, or not one for each process.
    """
    if here().ranks > 1:
        return _device_of_process(name)
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda", "mps"):
        raise UsageError(f"--device {name!r}: it should be auto, cpu, cuda, cuda:1 or mps")
    counts = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": torch.mps.device_count()}
    if (device.index or 0) >= counts[device.type]:
        raise UsageError(f"--device {name}: this machine has {counts[device.type]} of them")
    return torch.device(device.type) if device.type == "cpu" else device


def _device_of_process(name: str) -> torch.device:
    place, devices = here(), torch.cuda.device_count()
    if name not in ("auto", "cpu", "cuda"):
        raise UsageError(
            f"--device {name}: under torchrun each process has a device of its own; it should be"
            " auto, cpu or cuda"
        )
    if name == "cpu" or (name == "auto" and not devices):
        return torch.device("cpu")
    if place.local_ranks > devices:
        raise UsageError(
            f"torchrun started {place.local_ranks} processes here, and this machine has {devices}"
            f" CUDA devices; --device cpu trains without, --nproc-per-node {max(devices, 1)} on"
            " those there are"
        )
    return torch.device("cuda", place.local_rank)

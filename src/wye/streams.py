"""All randomness of a run: one seed, split into named streams.

A stream is addressed by a name and, where it is drawn from again and again, by a position such as
the epoch. Positions make resuming trivial: the state of no generator has to be stored, because
epoch 7 draws the same numbers whether or not epochs 1 to 6 ran in this process.

torch is imported where it is used: the recipes name the streams, and listing recipes must be quick.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

STREAMS = ("subset", "split", "weights", "order", "augmentation", "noise")


class Streams:
    """Generators derived from one seed, each stream replaceable by a seed of its own.

    Args:
        seed: the seed of every stream that `overrides` does not name.
        overrides: stream name to seed, for instance `{"subset": 3}` to vary all but the subset.
    """

    def __init__(self, seed: int, overrides: Mapping[str, int] | None = None) -> None:
        self.seed = seed
        self.overrides = dict(overrides or {})
        unknown = set(self.overrides) - set(STREAMS)
        if unknown:
            raise ValueError(f"unknown streams {sorted(unknown)}; the streams are {STREAMS}")

    def seed_of(self, name: str, *position: int | str) -> int:
        """The 63-bit seed of stream `name` at `position`."""
        if name not in STREAMS:
            raise ValueError(f"no stream is called {name!r}; the streams are {STREAMS}")
        base = self.overrides.get(name, self.seed)
        address = "/".join(str(part) for part in (base, name, *position))
        return int.from_bytes(hashlib.sha256(address.encode()).digest()[:8], "big") >> 1

    def generator(
        self, name: str, *position: int | str, device: torch.device | str = "cpu"
    ) -> torch.Generator:
        """A fresh generator at the start of stream `name` at `position`."""
        import torch

        return torch.Generator(device=device).manual_seed(self.seed_of(name, *position))

    @contextmanager
    def applied(self, name: str, *position: int | str) -> Iterator[None]:
        """Let library code that draws from torch's global generator draw from this stream.

        The global generator is put back afterwards. Only CPU draws are covered: networks are
        initialised on the CPU, so that the weights do not depend on the device.
        """
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed_of(name, *position))
            yield

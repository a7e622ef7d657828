"""Named things that the notation, the recipes and the command line look up."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

from wye.errors import UsageError

T = TypeVar("T")


def suggest(word: str, known: Iterable[str], limit: int = 12) -> str:
    """The known names, the nearest one first where one is near.

    Args:
        limit: of more names only so many are listed, the nearest first.
    """
    names = list(known)
    nearness = {name: difflib.SequenceMatcher(None, name, word).ratio() for name in names}
    ranked = sorted(names, key=lambda name: -nearness[name])
    near = bool(ranked) and nearness[ranked[0]] >= 0.6
    if len(names) > limit:
        names = [*(ranked if near else names)[:limit], "…"]
    listing = ", ".join(names)
    return f"did you mean {ranked[0]!r}? (known: {listing})" if near else f"known: {listing}"


class Registry(Mapping[str, T]):
    """A read-only mapping from name to entry, filled by its `register` decorator.

    Tests are parametrised over registries, so an entry is tested the moment it exists.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator: enter the decorated object under `name`; a name is taken once."""

        def enter(entry: T) -> T:
            if name in self._entries:
                raise ValueError(f"{self.kind} {name!r} is registered twice")
            self._entries[name] = entry
            return entry

        return enter

    def find(self, name: str) -> T:
        """The entry called `name`.

        Raises:
            UsageError: no such entry; the message lists the known names.
        """
        if name not in self._entries:
            raise UsageError(f"no {self.kind} is called {name!r}; {suggest(name, self._entries)}")
        return self._entries[name]

    def __getitem__(self, name: str) -> T:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

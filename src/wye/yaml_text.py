"""YAML, read quickly and strictly: a key that is there twice is refused."""

from __future__ import annotations

from functools import cache
from typing import Any

import yaml

from wye.wording import shown

# What PyYAML raises on text such as '!!bool x', 2001-99-99 or brackets nested too deeply, beside
# its own errors.
FAULTS = (
    *(yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError),
    *(OverflowError, RecursionError),
)


class DoubledKeyError(yaml.YAMLError):
    """A mapping has a key twice, of which YAML's own reader would silently take the last."""


def load(text: str) -> Any:
    """What a text holds.

    Raises:
        yaml.YAMLError: it is no YAML, or has a key twice; further faults are in `FAULTS`.
    """
    return yaml.load(text, Loader=_loader())


@cache
def _loader() -> type[Any]:
    # The C loader where PyYAML has it: ten times quicker, and `wye list` reads every study.
    base: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):  # type: ignore[misc]
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            seen = set()
            for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
                name = (key.tag, key.value) if isinstance(key, yaml.ScalarNode) else id(key)
                if name in seen:
                    line = key.start_mark.line + 1
                    raise DoubledKeyError(f"line {line}: the key {shown(key.value)} is there twice")
                seen.add(name)
            return super().construct_mapping(node, deep)

    return Loader

"""Circles in a graph of imports."""

from __future__ import annotations


def circle(edges: dict[str, set[str]]) -> list[str]:
    """The modules of one circle of imports; none where there is no circle."""
    done: set[str] = set()

    def search(module: str, path: list[str]) -> list[str]:
        if module in path:
            return path[path.index(module) :]
        if module in done:
            return []
        for other in sorted(edges.get(module, ())):
            if found := search(other, [*path, module]):
                return found
        done.add(module)
        return []

    return next((found for module in sorted(edges) if (found := search(module, []))), [])

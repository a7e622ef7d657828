"""How quick it is here: benchmarks, each of its own, measured side by side in one run."""

from wye.bench.benchmarks import BENCHMARKS

__all__ = ["BENCHMARKS"]

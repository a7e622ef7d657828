"""The benchmarks by name, in the order in which they are carried out."""

from __future__ import annotations

from benchmarks import accelerator, accuracy, faithful, growth, limit, peak, seeds, small
from benchmarks.settings import Benchmark
from wye.registry import Registry

BENCHMARKS: Registry[Benchmark] = Registry("benchmark")

BENCHMARKS.register("peak")(peak.BENCHMARK)
BENCHMARKS.register("reference")(faithful.BENCHMARK)
BENCHMARKS.register("accuracy")(accuracy.to_accuracy(accuracy.QUICK_ROW))
BENCHMARKS.register("limit")(limit.BENCHMARK)
BENCHMARKS.register("growth")(growth.BENCHMARK)
BENCHMARKS.register("small")(small.BENCHMARK)
BENCHMARKS.register("airbench")(accelerator.AIRBENCH)
BENCHMARKS.register("seeds")(seeds.BENCHMARK)
# Last, for it takes the longest: a page that is stopped here has all the others.
BENCHMARKS.register("fast94")(accuracy.to_accuracy(accuracy.FAST_ROW))


def find(name: str) -> Benchmark:
    """The benchmark called `name`; a row stands for its training from start to end.

    Raises:
        UsageError: nothing is called so.
    """
    return accuracy.to_accuracy(name) if "/" in name else BENCHMARKS.find(name)

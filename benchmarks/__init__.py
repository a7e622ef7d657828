"""The project's own benchmarks, each measured beside what it is held against in one run.

They are no part of the package: `python -m benchmarks` from the root of the repository.
"""

"""Reliability: kills, sharing, many runs and generated inputs; writes `docs/reliability.md`.

    python -m benchmarks.soak --out docs/reliability.md

Every command of Wye is forked from a process that has the libraries loaded and has computed
nothing, so that hundreds can be killed in minutes. Linux only.
"""

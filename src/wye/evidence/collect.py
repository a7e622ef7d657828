"""Records put to the rows and protocols that they are of, and paired by seed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from wye.evidence.results import Only, records
from wye.recipe.identity import protocols_of, rows_alike
from wye.runs.records import Record

Repeats = dict[int, list[Record]]
"""Records of one recipe by their seed: one of each origin."""
Runs = dict[tuple[str, str], Repeats]
"""Row and protocol to the records that are repeats of it."""


def runs_by_row(root: Path | None, only: Only | None = None) -> Runs:
    """The records of complete runs under a folder, and the shipped ones; see `by_row`."""
    return by_row(records(root, only))


def by_row(found: Iterable[Record]) -> Runs:
    """Records by row and protocol.

    Whether a run is one of a row under a protocol is told by its settings, never by a label: a run
    with other settings or other data measures something else. Rows that are one system by two names
    share their runs. Of several runs of one seed and origin the first counts, so that no result has
    a say in the choice.
    """
    runs: Runs = {}
    for record in found:
        if record.protocol is None:
            continue
        for protocol in protocols_of(record.recipe):
            for row in rows_alike(record.row):
                of_seed = runs.setdefault((row, protocol), {}).setdefault(record.seed, [])
                if record.origin not in {other.origin for other in of_seed}:
                    of_seed.append(record)
    return {key: dict(sorted(repeats.items())) for key, repeats in runs.items()}


def matched(*systems: Repeats) -> dict[int, tuple[Record, ...]]:
    """Seed to a record of each system, all of one origin, for seeds of which there are such.

    An origin is a kind of machine, a precision and a judge: a difference between two runs of
    different origins would be one between machines too. Runs that are here come first.
    """
    pairs: dict[int, tuple[Record, ...]] = {}
    for seed in sorted(set.intersection(*map(set, systems)) if systems else ()):
        for lead in systems[0][seed]:
            same = [
                next((record for record in of[seed] if record.origin == lead.origin), None)
                for of in systems
            ]
            if None not in same:
                pairs[seed] = tuple(record for record in same if record is not None)
                break
    return pairs


def one_each(repeats: Repeats) -> dict[int, Record]:
    """Seed to its first record."""
    return {seed: of[0] for seed, of in repeats.items()}

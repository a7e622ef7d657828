"""What a person compares: the runs of a row, of a run folder, or of a folder of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wye.errors import UsageError
from wye.evidence.collect import Repeats, Runs, runs_by_row
from wye.evidence.results import Only, records
from wye.recipe import Recipe
from wye.recipe.identity import protocols_of
from wye.recipe.resolve import PROTOCOLS, check_protocol
from wye.registry import suggest
from wye.studies import row_names
from wye.wording import shown


@dataclass(frozen=True)
class System:
    """The runs of one recipe, by seed.

    Attributes:
        name: as it was given.
        protocols: those under which the recipe is its row's; none for settings of one's own.
    """

    name: str
    runs: Repeats

    @property
    def recipe(self) -> Recipe:
        """The recipe of its lowest seed."""
        return self.runs[min(self.runs)][0].recipe

    @property
    def protocols(self) -> tuple[str, ...]:
        return protocols_of(self.recipe)


def find_systems(
    targets: Sequence[str], root: Path, protocol: str = "paper", only: Only | None = None
) -> list[System]:
    """The runs that a person names.

    Args:
        targets: each a row, a run folder, or a folder with runs of one recipe.
        root: where the runs of rows are looked for.
        protocol: under which a row's runs were made.
        only: of rows, runs that are `here`, or the `shipped` records.

    Raises:
        UsageError: there is no such protocol, row or folder, it has no complete run, or its runs
            are of several recipes.
    """
    check_protocol(protocol)
    rows = set(targets) & set(row_names())
    runs = runs_by_row(root, only) if rows else {}
    return [
        System(
            target,
            _of_row(target, runs, root, protocol) if target in rows else _in_folder(target),
        )
        for target in targets
    ]


def _in_folder(target: str) -> Repeats:
    path = Path(target)
    if not path.is_dir():
        raise UsageError(
            f"{shown(target)} is neither a row nor a folder of runs;"
            f" {suggest(target, row_names())} (`wye list` shows every row)"
        )
    found: Repeats = {}
    for record in records(path, "here"):
        lead = next(iter(found.values()), [record])[0]
        if (record.row, record.digest) != (lead.row, lead.digest):
            raise UsageError(
                f"{path} holds runs of several recipes, those in {lead.where} and {record.where}"
                " for instance; name a folder with runs of one"
            )
        of_seed = found.setdefault(record.seed, [])
        if record.origin not in {other.origin for other in of_seed}:
            of_seed.append(record)
    if not found:
        raise UsageError(f"{path} holds no complete run; `wye train ROW --out {path}` makes one")
    return dict(sorted(found.items()))


def _of_row(row: str, runs: Runs, root: Path, protocol: str) -> Repeats:
    if found := runs.get((row, protocol)):
        return found
    there = [other for other in PROTOCOLS if (row, other) in runs]
    hint = f"; there are some under {there[0]}: --protocol {there[0]}" if there else ""
    under = "" if protocol == "paper" else f" --protocol {protocol}"
    raise UsageError(
        f"{root} holds no complete run of {row} under the protocol {protocol}"
        f"{hint or f'; `wye train {row}{under}` makes one'}"
    )

"""`docs/reliability.md`: what was tried, how often, and what was lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmarks.document import markdown
from benchmarks.result import Table
from benchmarks.soak.long import Growth
from benchmarks.soak.writers import Kills


@dataclass(frozen=True)
class Inputs:
    """What became of generated inputs at one border."""

    border: str
    tried: int
    taken: int
    refused: int
    slowest: float
    faults: list[str]


@dataclass(frozen=True)
class Document:
    """Everything that the page says."""

    command: str
    begun: str
    seconds: float
    seed: int
    environment: dict[str, Any]
    kills: list[Kills]
    shared: list[Kills]
    runs: int
    interrupted: int
    growth: list[Growth]
    inputs: list[Inputs]

    @property
    def lost(self) -> list[str]:
        """All that was not as it should be."""
        found = [f"{each.what}: {why}" for each in (*self.kills, *self.shared) for why in each.lost]
        found += [f"{each.what} grew" for each in self.growth if not each.flat]
        found += [f"{each.border}: {why}" for each in self.inputs for why in each.faults]
        return list(dict.fromkeys(found))


SOURCES = {
    "SQLite": "https://www.sqlite.org/testing.html",
    "safetensors": "https://huggingface.co/datasets/safetensors/trail_of_bits_audit_repot",
    "Lightning": "https://github.com/Lightning-AI/pytorch-lightning/blob/master/src/lightning/"
    "fabric/utilities/cloud_io.py",
}
OTHERS = {
    "SQLite": (
        "a transaction is whole or undone after a crash of the program, the system or the power",
        "crashes are simulated by a file system of the tests' own; afterwards the database must be"
        " sound",
    ),
    "safetensors": (
        "reading a file runs no code",
        "audited by Trail of Bits (2023); how files are written was not looked into",
    ),
    "Lightning": (
        "an interrupted save leaves no broken checkpoint: bytes go through memory and a"
        " transaction of fsspec (`_atomic_save`)",
        "not looked into",
    ),
    "Wye": (
        "a file is the old one or the new one; what is repeated after a kill ends the same, byte"
        " for byte",
        "SIGKILL at random times and before changes to the file system, see above; power is not"
        " cut, but a test holds the order of flushing and renaming",
    ),
}


def page(document: Document) -> str:
    """The page, Markdown."""
    here = document.environment
    total = sum(each.kills for each in document.kills)
    tried = sum(each.tried for each in document.inputs)
    versions = ", ".join(f"{name} {here[name]}" for name in ("wye", "python", "torch"))
    result = "Nothing was lost." if not document.lost else "What was lost is at the end."
    kills = Table(
        ["command", "kills", "ended before", "lost", "seconds"],
        [
            [
                each.what,
                str(each.kills),
                str(each.ended),
                str(len(each.lost)),
                f"{each.seconds:.0f}",
            ]
            for each in document.kills
        ],
    )
    shared = Table(
        ["eight processes at once on", "lost"],
        [[each.what, str(len(each.lost))] for each in document.shared],
    )
    growth = Table(
        ["", "early", "late"],
        [[each.what, f"{each.early:.4g}", f"{each.late:.4g}"] for each in document.growth],
    )
    inputs = Table(
        ["border", "inputs", "taken", "refused in a message", "traceback", "slowest"],
        [
            [
                *(each.border, f"{each.tried:,}", f"{each.taken:,}", f"{each.refused:,}"),
                *(str(len(each.faults)), f"{each.slowest:.1f} s"),
            ]
            for each in document.inputs
        ],
    )
    others = Table(
        ["", "promise", "how it is tested"],
        [
            [f"[{name}]({SOURCES[name]})" if name in SOURCES else name, *words]
            for name, words in OTHERS.items()
        ],
    )
    blocks = [
        "# Reliability",
        "Written by this command, from one run of it; no figure is typed by hand:",
        f"    {document.command}",
        f"{here['processor']}, {here['cores']} cores; {versions}; seed {document.seed}; begun"
        f" {document.begun}, done in {document.seconds / 60:.0f} minutes.",
        f"{total} kills, {document.runs} runs in one process, {tried:,} generated inputs. {result}",
        "## Kills",
        "SIGKILL, half of them at a random time, half just before a random one of the changes that"
        " the command makes to the file system. Then the command is repeated, and every file that"
        " it leaves must be as without a kill: byte for byte, but for times; none missing, none"
        " too many. What a kill leaves must be readable, and no kept epoch is trained again.",
        markdown(kills),
        "## Sharing",
        markdown(shared),
        "## Many runs in one process",
        f"{document.runs} short runs, {document.interrupted} of them interrupted and resumed;"
        " medians of a tenth of the runs near the beginning and of the last tenth.",
        markdown(growth),
        "## Generated inputs",
        markdown(inputs),
        "## Beside others",
        markdown(others),
    ]
    if document.lost:
        blocks += ["## Lost", "\n".join(f"- {why[:300]}" for why in document.lost)]
    return "\n\n".join(blocks) + "\n"

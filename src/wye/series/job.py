"""What a worker is told to carry out."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wye.recipe.overrides import validated
from wye.recipe.schema import Recipe

Message = dict[str, Any]
"""What a worker tells, as JSON: its `event` and what belongs to it.

- `epoch`: `epoch` of `epochs` is done and kept.
- `warning`: `text` for the reader.
- `done`: the run is finished.
- `held`: another process has the run, says `message`.
- `failed`: for the reason in `message`.
"""


@dataclass(frozen=True)
class Job:
    """A run to be carried out.

    Attributes:
        recipe: what to do.
        folder: where.
        root: the folder of runs that holds what the run needs.
        device: as on the command line.
        max_steps: ends training after so many steps.
        changed: nested settings that were changed in the recipe, and are in those it needs.
        command: how a person would repeat the run.
    """

    recipe: Recipe
    folder: Path
    root: Path
    device: str = "auto"
    max_steps: int | None = None
    changed: dict[str, Any] = field(default_factory=dict)
    command: str = ""

    def document(self) -> dict[str, Any]:
        """The job as JSON."""
        plain = {"folder": str(self.folder), "root": str(self.root)}
        return {**vars(self), **plain, "recipe": self.recipe.model_dump(mode="json")}

    @classmethod
    def of(cls, document: dict[str, Any]) -> Job:
        """The job of a `document`."""
        places = {key: Path(document[key]) for key in ("folder", "root")}
        return cls(**{**document, **places, "recipe": validated(document["recipe"])})

"""The run folder: what is in it, written so that a crash leaves nothing half-written."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from wye.errors import MachineError
from wye.files import PARTIAL, check_file, write_atomically
from wye.recipe.schema import Recipe
from wye.runs.journal import Journal
from wye.runs.pictures import Examples, Mistakes
from wye.wording import one_line

if TYPE_CHECKING:
    # Imported where weights are asked for: what runs measured is listed without torch.
    import torch
    from torch import Tensor

    from wye.data.inspection import Inspection

RUNS = Path("runs")
FORMAT = 2
"""Of `last.ckpt`: what a run of another format left cannot be gone on with."""


def default_folder(recipe: Recipe, root: Path = RUNS) -> Path:
    """`runs/<study>/<row>/seed-<n>`, under another protocol `runs/<study>/<row>/short/seed-<n>`."""
    place = root / recipe.row
    if recipe.protocol != "paper":
        place /= recipe.protocol
    return place / f"seed-{recipe.seed}"


class RunFolder:
    """The files of one run and their names.

    `recipe.yaml`, `environment.json`, `data.json` and `unreadable.txt` of own images (see
    `Inspection`), `metrics.jsonl`, `result.json`, `model.safetensors` and `config.json`,
    `predictions.safetensors` (`labels` and `predicted`, int64 `(N,)` of the test images in their
    order), `examples.safetensors` (see `Examples`), `mistakes.safetensors` (see `Mistakes`),
    `best.safetensors`, `last.ckpt`, `journal.jsonl` (see `Journal`), `tracking.json` (see
    `wye.tracking`), `figures/`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def holds_run(self) -> bool:
        """Whether a run was begun here."""
        return (self.path / "recipe.yaml").exists()

    @property
    def journal(self) -> Journal:
        """Who worked on the run and when."""
        return Journal(self.path / "journal.jsonl")

    @property
    def figures(self) -> Path:
        """The folder of pictures."""
        return self.path / "figures"

    def written(self) -> list[Path]:
        """The files that a run may have written, but for its figures, in the order of writing.

        Each says no more than those before it hold: whoever copies them keeps to this order, and
        whoever reads them while the run goes on reads them backwards.
        """
        epoch = ("best.safetensors", "last.ckpt", "metrics.jsonl")
        end = ("model.safetensors", "config.json", "predictions.safetensors")
        begin = ("recipe.yaml", "environment.json", "data.json", "unreadable.txt")
        shown = ("examples.safetensors", "mistakes.safetensors")
        names = (*begin, *epoch, *end, *shown, "tracking.json", "result.json")
        return [*(self.path / name for name in names), self.journal.path]

    def sweep(self) -> None:
        """Remove what a killed process left half-written; only for whoever holds the folder."""
        for leftover in self.path.glob(f".*{PARTIAL}"):
            leftover.unlink(missing_ok=True)

    def write_recipe(self, recipe: Recipe) -> None:
        """Write `recipe.yaml`, everything explicit."""
        text = yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
        write_atomically(self.path / "recipe.yaml", text.encode())

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a JSON file; no NaN or infinity, which JSON doesn't have."""
        text = json.dumps(finite(content), indent=1, allow_nan=False, ensure_ascii=False)
        # What a name holds beside UTF-8 becomes an escape, which JSON has too.
        write_atomically(self.path / name, (text + "\n").encode(errors="backslashreplace"))

    def write_inspection(self, found: Inspection) -> None:
        """Write `data.json`, and `unreadable.txt` where files could not be read."""
        self.write_json("data.json", found.document())
        if found.unreadable:
            lines = "".join(
                f"{one_line(file.path)}\t{one_line(file.why)}\n" for file in found.unreadable
            )
            write_atomically(self.path / "unreadable.txt", lines.encode())

    def write_metrics(self, lines: list[dict[str, Any]]) -> None:
        """Write `metrics.jsonl` whole: a resumed run drops what came after its checkpoint."""
        text = "".join(json.dumps(finite(line), allow_nan=False) + "\n" for line in lines)
        write_atomically(self.path / "metrics.jsonl", text.encode())

    def write_weights(self, name: str, state: Mapping[str, Tensor]) -> None:
        """Write a state dict as safetensors."""
        import safetensors.torch

        tensors = {key: value.detach().cpu().contiguous() for key, value in state.items()}
        write_atomically(self.path / name, safetensors.torch.save(tensors))

    def write_predictions(self, labels: Tensor, predicted: Tensor) -> None:
        """Write `predictions.safetensors`: true and given class of the test images, `(N,)` each."""
        self.write_weights("predictions.safetensors", {"labels": labels, "predicted": predicted})

    def write_examples(self, examples: Examples) -> None:
        """Write `examples.safetensors`: what the gallery shows."""
        tensors = {name: of for name, of in examples._asdict().items() if of is not None}
        self.write_weights("examples.safetensors", tensors)

    def write_mistakes(self, mistakes: Mistakes) -> None:
        """Write `mistakes.safetensors`."""
        self.write_weights("mistakes.safetensors", mistakes._asdict())

    @property
    def has_examples(self) -> bool:
        """Whether there is something for a gallery to show."""
        return (self.path / "examples.safetensors").exists()

    def write_checkpoint(self, state: dict[str, Any]) -> None:
        """Write `last.ckpt`."""
        import torch

        # Through memory, because torch turns a full disk into a RuntimeError without its reason.
        buffer = io.BytesIO()
        torch.save({"format": FORMAT, **state}, buffer)
        write_atomically(self.path / "last.ckpt", buffer.getvalue())

    def read_checkpoint(self, device: torch.device) -> dict[str, Any] | None:
        """The state in `last.ckpt`, None if there is none.

        Raises:
            MachineError: the file is damaged.
        """
        import torch

        path = self.path / "last.ckpt"
        if not path.exists():
            return None
        check_file(path)
        try:
            state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        except Exception as error:
            # torch's own message advises to load the file without protection.
            raise MachineError(
                f"{path} is damaged ({type(error).__name__}); remove it to begin the run again"
            ) from None
        if not isinstance(state, dict) or (
            type(version := state.pop("format", None)) is not int or version != FORMAT
        ):
            raise MachineError(
                f"{path} is damaged, or of another version of wye, which cannot go on with it;"
                " remove it to begin the run again"
            )
        return state


def folder_of(recipe: Recipe, out: Path | None = None, root: Path = RUNS) -> RunFolder:
    """The folder of a recipe's run: `out`, or the default one under `root`."""
    return RunFolder(out or default_folder(recipe, root))


def finite(value: Any) -> Any:
    """The same with NaN and infinite numbers as null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [finite(entry) for entry in value]
    return value

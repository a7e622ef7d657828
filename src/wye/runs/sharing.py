"""A model as a folder for others, and from one: on disk or on the hub of Hugging Face."""

from __future__ import annotations

import importlib.util
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch

from wye.errors import MachineError, UsageError, WyeError, message_of
from wye.network.build import Network
from wye.network.describe import count_parameters
from wye.recipe.overrides import validated
from wye.recipe.schema import Recipe
from wye.runs.environment import LIBRARIES
from wye.runs.folder import RunFolder
from wye.runs.model_card import model_card
from wye.runs.run import Run

if TYPE_CHECKING:
    from huggingface_hub import ModelCard

log = logging.getLogger("wye")

CARD = "README.md"
FILES = ("config.json", "model.safetensors", "recipe.yaml", "result.json", "environment.json")
"""What is read of somebody else's folder."""
MADE_WITH = ("wye", "commit", "python", "device", "device_name", "precision", *LIBRARIES)
"""What others get of `environment.json`: nothing of a machine's folders."""


class Shared:
    """The methods of `wye.Model` that hand it on, by `huggingface_hub.ModelHubMixin`.

    Attributes:
        config: what `config.json` holds.
        network: the trained network.
        recipe: what it was trained by, as `recipe.yaml` holds it.
        run: the run that it is of; None of an estimator's.
        latent_size: values of a latent code.
    """

    config: dict[str, Any]
    network: Network
    recipe: dict[str, Any] | None
    run: Run | None = None
    latent_size: int

    @classmethod
    def from_pretrained(cls, name: str | Path, *, trainable: bool = False, **further: Any) -> Self:
        """The model of a folder that `save_pretrained` wrote, or of a repository on the hub.

        Args:
            name: the folder, or `user/name` of a repository.
            trainable: as in `wye.load`.
            further: `revision`, `token`, `cache_dir`, `force_download` and `local_files_only` of
                `huggingface_hub.ModelHubMixin.from_pretrained`.

        Raises:
            UsageError: huggingface_hub is not installed, or there is no such folder or repository.
            MachineError: the hub cannot be reached, or a file is damaged.
        """
        handed = _handed()
        from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError

        try:
            folder = handed.from_pretrained(name, **further).folder
        except (HFValidationError, RepositoryNotFoundError):
            raise UsageError(f"{name} is neither a folder nor a repository of the hub") from None
        except Exception as error:  # of the hub's client, about a server, a login, a file
            raise MachineError(f"{name} cannot be had: {message_of(error)[:300]}") from error
        return cls.of(Run(folder), trainable=trainable)

    @classmethod
    def of(cls, run: Run, weights: str | None = None, trainable: bool = False) -> Self:
        """See `wye.Model`."""
        raise NotImplementedError

    def save_pretrained(self, folder: Path | str) -> None:
        """Write a folder for others: weights, `config.json`, the recipe, and a card (README.md).

        The card has the metrics that the run measured, the data, the recipe and how to load it;
        one that is there already is left as it is. No path of this machine is in any file. The
        folder is read by `from_pretrained`, and as a run by `wye.load` and `wye predict`.

        Raises:
            UsageError: huggingface_hub is not installed, the folder is a run's own, or the model
                has no recipe.
            MachineError: it cannot be written.

        Example:
            >>> import wye
            >>> run = wye.train("joint/v1", data="shapes", max_steps=2, out="runs/v1", resume=True)
            >>> wye.load(run).save_pretrained("for-others")
            >>> wye.Model.from_pretrained("for-others").name
            'joint/v1'
        """
        if RunFolder(Path(folder)).journal.path.exists():
            raise UsageError(f"{folder} is the folder of a run; others get one of their own")
        if (Path(folder) / CARD).exists():
            log.warning("%s is there already and left as it is", Path(folder) / CARD)
        try:
            _handed()(self).save_pretrained(folder)
        except OSError as error:
            raise MachineError(f"{folder} cannot be written: {message_of(error)}") from error

    def push_to_hub(self, name: str, **further: Any) -> str:
        """Write the same as a repository of the hub.

        Args:
            name: `user/name`; made if it is not there.
            further: `private`, `token`, `branch`, `commit_message` and others of
                `huggingface_hub.ModelHubMixin.push_to_hub`.

        Returns:
            The address of the commit.

        Raises:
            UsageError: huggingface_hub is not installed, or the name cannot be one.
            MachineError: the hub cannot be reached, or refuses.
        """
        handed = _handed()
        from huggingface_hub.errors import HFValidationError

        try:
            return str(handed(self, name).push_to_hub(name, **further))
        except HFValidationError as error:
            raise UsageError(f"{name}: {message_of(error)}") from None
        except Exception as error:  # of the hub's client, about a server or a login
            raise MachineError(f"{name} cannot be written: {message_of(error)[:300]}") from error


def _handed() -> Any:
    """The hub's mixin for a model: how to write its folder, and where one is read from.

    It is made here because a model must not wait for the hub's client to be imported.
    """
    if importlib.util.find_spec("huggingface_hub") is None:
        raise UsageError("models are handed on by huggingface_hub: pip install 'wye[hub]'")
    from huggingface_hub import ModelHubMixin, snapshot_download

    class Handed(ModelHubMixin):
        def __init__(self, model: Shared | None = None, name: str = "") -> None:
            self.model, self.name, self.folder = model, name, Path()
            self.run = None if model is None else _measured(model)

        def _save_pretrained(self, save_directory: Path) -> None:
            assert self.model is not None
            _write(self.model, self.run, RunFolder(save_directory))

        def generate_model_card(self, *_: Any, **__: Any) -> ModelCard:
            assert self.model is not None
            return _card(self.model, self.run, self.name)

        @classmethod
        def _from_pretrained(
            cls,
            *,
            model_id: str,
            revision: str | None,
            cache_dir: str | Path | None,
            force_download: bool,
            local_files_only: bool,
            token: str | bool | None,
            **_: Any,
        ) -> Handed:
            made = cls()
            made.folder = Path(model_id)
            if not made.folder.is_dir():
                found = snapshot_download(
                    model_id,
                    revision=revision,
                    cache_dir=cache_dir,
                    force_download=force_download,
                    local_files_only=local_files_only,
                    token=token,
                    allow_patterns=list(FILES),
                )
                made.folder = Path(found)
            return made

    return Handed


def _write(model: Shared, run: Run | None, folder: RunFolder) -> None:
    """The files of a model, and of the run that measured it."""
    folder.write_weights("model.safetensors", model.network.state_dict())
    data = _without_paths(model.config.get("data"))
    folder.write_json("config.json", {**model.config, "data": data})
    folder.write_recipe(_recipe(model))
    for name in ("result.json", "environment.json"):
        (folder.path / name).unlink(missing_ok=True)
    if run is not None:
        folder.write_json("result.json", _without_paths(run.result))
        folder.write_json("environment.json", _made_with(run))


def _measured(model: Shared) -> Run | None:
    """The run that measured these very weights; None of weights that have changed since."""
    run, state = model.run, model.network.state_dict()
    try:
        if run is None or run.result is None:
            return None
        kept = run.weights()
    except WyeError:
        return None
    same = kept.keys() == state.keys() and all(
        torch.equal(value, state[name].cpu()) for name, value in kept.items()
    )
    return run if same else None


def _made_with(run: Run) -> dict[str, Any]:
    known = run.environment
    return {name: known[name] for name in MADE_WITH if known.get(name) is not None}


def _recipe(model: Shared) -> Recipe:
    if model.recipe is None:
        raise UsageError("a model without its recipe cannot be handed on")
    content = _without_paths(model.recipe)
    name = content["data"]["name"]
    if name != model.recipe["data"]["name"]:
        content["title"] = f"Images of {name}"  # it has the path as it was typed
    return validated(content)


def _without_paths(value: Any) -> Any:
    """The same, with the last part of each path that leads through folders of this machine."""
    if isinstance(value, dict):
        return {key: _without_paths(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_paths(each) for each in value]
    if isinstance(value, str) and (Path(value).is_absolute() or value.startswith(("~", ".."))):
        return Path(value).name
    return value


def _card(model: Shared, run: Run | None, name: str) -> ModelCard:
    config = model.config
    return model_card(
        _recipe(model),
        str(_without_paths(config.get("data"))),
        (run.result if run is not None else None) or {},
        _made_with(run) if run is not None else {},
        name,
        classes=config["classes"],
        pixels=config.get("pixels", config["shape"]),
        latent=f"{model.latent_size:,}",
        parameters=f"{count_parameters(model.network):,}",
    )

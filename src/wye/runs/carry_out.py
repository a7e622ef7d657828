"""Carrying out a run: data, network, phases, evaluation, and its folder."""

from __future__ import annotations

import logging
import shutil
import time
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from wye.data.prepare import Prepared, prepare
from wye.data.sources import load
from wye.errors import UsageError
from wye.evaluation.measure import measure
from wye.network.build import Network, build_network
from wye.network.describe import describe
from wye.network.ranges import check_range
from wye.network.whitening import initialise_whitening
from wye.recipe.schema import Recipe
from wye.runs.environment import environment
from wye.runs.folder import Run, RunFolder
from wye.streams import Streams
from wye.training.freezing import freeze
from wye.training.loop import EpochRecord, Observer, Trainer
from wye.training.precision import channels_last, choose_precision

WHITENING_IMAGES = 2000

logger = logging.getLogger("wye")


@dataclass(frozen=True)
class Setup:
    """A recipe made concrete: its images and its untrained network."""

    recipe: Recipe
    data: Prepared
    network: Network
    streams: Streams


def set_up(recipe: Recipe) -> Setup:
    """Data and network of a recipe, on the CPU; nothing is written.

    Raises:
        WyeError: the recipe cannot be carried out, or its data cannot be had.
    """
    streams = Streams(recipe.seed, recipe.seeds)
    dataset = load(
        recipe.data.name,
        image_size=recipe.data.image_size,
        generator=streams.generator("split", "test"),
    )
    data = prepare(dataset, recipe.data, streams)
    with streams.applied("weights"):
        network = build_network(recipe.network, data.shape, len(data.classes))
    initialise_whitening(
        network.encoder.layers, data.inputs.apply(data.train.pixels[:WHITENING_IMAGES])
    )
    check_range(network, data.targets.range)
    for phase in recipe.resolved_phases():
        freeze(network, phase.freeze)
    return Setup(recipe, data, network, streams)


def carry_out(
    recipe: Recipe,
    folder: RunFolder,
    *,
    device: torch.device,
    resume: bool = False,
    max_steps: int | None = None,
    observer: RunObserver | None = None,
    command: str = "",
) -> Run:
    """Train and evaluate by a recipe, and keep everything in `folder`.

    Args:
        recipe: what to do.
        folder: where; must not hold a run unless `resume`.
        device: where to compute.
        resume: go on with the run in the folder; a finished one is left as it is.
        max_steps: end training after this many optimiser steps.
        observer: told of epochs and steps.
        command: how a person would repeat it, for the record.

    Raises:
        WyeError: the recipe cannot be carried out, or the folder holds a run that is not this one.
        OSError: the folder cannot be written; a run that had no epoch done leaves nothing behind.
    """
    begun = folder.holds_run
    if begun and not resume:
        raise UsageError(
            f"{folder.path} holds a run already; --resume goes on with it, --out DIR puts another"
            " one elsewhere"
        )
    if begun:
        recipe = _same_recipe(recipe, Run(folder.path).recipe, folder)
        if Run(folder.path).result is not None:
            logger.info("%s is finished; nothing to do", folder.path)
            return Run(folder.path)
    clock = time.perf_counter()
    setup = set_up(recipe)
    network = channels_last(setup.network.to(device))
    precision = choose_precision(recipe.train.precision, network, device)
    train_settings = recipe.train.model_copy(update={"precision": precision})
    recipe = recipe.model_copy(update={"train": train_settings})
    data = setup.data.to(device)
    data_seconds = time.perf_counter() - clock
    created = not folder.path.exists()
    try:
        folder.create()
        folder.write_recipe(recipe)
        if not begun:
            folder.write_json("environment.json", environment(device, precision, command))
        trainer = Trainer(recipe, network, data, setup.streams, precision, max_steps, observer)
        history = _train(trainer, folder, device, observer)
        clock = time.perf_counter()
        result = _evaluate(trainer, setup, folder, history)
    except OSError:
        if created and not (folder.path / "last.ckpt").exists():
            shutil.rmtree(folder.path, ignore_errors=True)
        raise
    train_seconds = sum(line["seconds"] for line in history)
    evaluate_seconds = time.perf_counter() - clock
    result["seconds"] = {
        "data": data_seconds,
        "train": train_seconds,
        "evaluate": evaluate_seconds,
        "total": data_seconds + train_seconds + evaluate_seconds,
    }
    folder.write_json("result.json", result)
    return Run(folder.path)


class RunObserver(Observer, Protocol):
    """Told of every step and epoch of a run."""

    def epoch(self, record: EpochRecord) -> None:
        """An epoch is done."""


def _same_recipe(wanted: Recipe, stored: Recipe, folder: RunFolder) -> Recipe:
    """The stored recipe, if what is wanted is the same but for a precision left to the machine."""
    if wanted.train.precision == "auto":
        train = wanted.train.model_copy(update={"precision": stored.train.precision})
        wanted = wanted.model_copy(update={"train": train})
    if wanted != stored:
        asked, kept = wanted.model_dump(), stored.model_dump()
        key = next(key for key in asked if asked[key] != kept[key])
        raise UsageError(
            f"{folder.path} holds another run: its {key} is {kept[key]!r}, not {asked[key]!r};"
            " resume it with its own settings or choose another --out"
        )
    return stored


def _train(
    trainer: Trainer, folder: RunFolder, device: torch.device, observer: RunObserver | None
) -> list[dict[str, Any]]:
    history: list[dict[str, Any]] = []
    checkpoint = folder.read_checkpoint(device)
    if checkpoint is not None:
        history = checkpoint.pop("history")
        trainer.restore(checkpoint)
        logger.info("resumed after epoch %d", trainer.epochs_done)
    folder.write_metrics(history)
    for record in trainer.epochs():
        history.append({**record.line(), "best": record.best})
        if record.best:
            folder.write_weights("best.safetensors", trainer.network.state_dict())
        folder.write_checkpoint({**trainer.state(), "history": history})
        folder.write_metrics(history)
        if observer is not None:
            observer.epoch(record)
    return history


def _evaluate(
    trainer: Trainer, setup: Setup, folder: RunFolder, history: list[dict[str, Any]]
) -> dict[str, Any]:
    recipe, network, data = setup.recipe, trainer.network, trainer.data
    described = describe(network)
    folder.write_weights("model.safetensors", network.state_dict())
    best = next((line for line in reversed(history) if line["best"]), None)
    if recipe.evaluation.selection == "best" and best is not None:
        network.load_state_dict(Run(folder.path).weights("best"))
        folder.write_weights("model.safetensors", network.state_dict())
    measured = {
        part: measure(
            network,
            data,
            part,
            setup.streams,
            trainer.precision,
            mirror_views=recipe.evaluation.mirror_views,
        )
        for part in ("test", "validation")
        if part == "test" or data.validation is not None
    }
    folder.write_json("config.json", _config(setup, measured["test"]))
    seconds = sum(line["seconds"] for line in history)
    images = sum(line["seconds"] * line["images_per_second"] for line in history)
    result: dict[str, Any] = {
        "row": recipe.row,
        "source": recipe.source,
        "seed": recipe.seed,
        "status": "truncated" if trainer.truncated else "complete",
        "data": data.name,
        "device": str(data.train.pixels.device),
        "precision": trainer.precision,
        "parameters": described.parameters(),
        "multiply_adds": described.multiply_adds,
        "latent": network.latent_size,
        "inputs": data.train.pixels[0].numel(),
        "images_per_second": images / seconds if seconds else 0.0,
        "epochs": len(history),
        **measured,
        "selection": recipe.evaluation.selection,
    }
    if best is not None:
        result["best_validation"] = {"epoch": best["epoch"], **best["validation"]}
    watched = [line for line in history if "accuracy" in line.get("test", {})]
    if watched:
        top = max(watched, key=lambda line: float(line["test"]["accuracy"]))
        result["best_on_test"] = {"epoch": top["epoch"], "accuracy": top["test"]["accuracy"]}
    return result


def _config(setup: Setup, figures: dict[str, Any]) -> dict[str, Any]:
    network, data = setup.network, setup.data
    shown = ("accuracy", "macro_f1", "psnr", "ssim", "mse")
    return {
        "format": 1,
        "row": setup.recipe.row,
        "network": {name: part.text for name, part in network.parts.items()},
        "shape": list(data.shape),
        "classes": list(data.classes),
        "data": data.name,
        "image_size": data.published_size,
        "prepare": setup.recipe.data.prepare,
        "inputs": {
            "mean": data.inputs.mean.flatten().tolist(),
            "deviation": data.inputs.deviation.flatten().tolist(),
        },
        "targets": {
            "mean": data.targets.mean.flatten().tolist(),
            "deviation": data.targets.deviation.flatten().tolist(),
        },
        "test": {name: figures[name] for name in shown if name in figures},
    }

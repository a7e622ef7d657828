"""What a finished training is measured to be: `result.json`, predictions and `config.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from wye.data.prepare import Prepared
from wye.evaluation.measure import Measurement, measure
from wye.evaluation.views import Views
from wye.metrics import ordered
from wye.network.build import Network
from wye.network.describe import describe
from wye.recipe.parts import BEST
from wye.recipe.schema import Recipe
from wye.runs.examples import examples
from wye.runs.folder import RunFolder
from wye.runs.judge import judge_of
from wye.runs.mistakes import worst
from wye.runs.model import Model
from wye.runs.reference import reference_of
from wye.runs.run import Run
from wye.runs.setup import Setup
from wye.training.loop import Trainer


def evaluate(
    trainer: Trainer,
    setup: Setup,
    folder: RunFolder,
    history: list[dict[str, Any]],
    judge: Model | None = None,
    test: bool = True,
) -> dict[str, Any]:
    """Measure a trained network, keep its weights and what it made of the test images.

    Returns:
        What `result.json` shall hold.

    Args:
        judge: the model that the recipe's `evaluation.judge` stands for, where it is another's.
        test: whether the test images are looked at.
    """
    recipe, network, data = setup.recipe, trainer.network, trainer.data
    described = describe(network)
    best = next((line for line in reversed(history) if line["best"]), None)
    if recipe.evaluation.selection == "best" and best is not None:
        network.load_state_dict(Run(folder.path).weights(BEST))
    folder.write_weights("model.safetensors", network.state_dict())
    measured = {
        part: measured_part(setup, network, data, part, trainer.precision, judge)
        for part, wanted in (("test", test), ("validation", data.validation is not None))
        if wanted
    }
    of_test = measured.get("test")
    found = of_test.figures if of_test is not None else {}
    config = config_of(recipe, network, data, trainer.precision, found)
    state = {name: value.detach() for name, value in network.state_dict().items()}
    reference = reference_of(Model(config, state), data)
    folder.write_json("config.json", {**config, "reference": reference})
    if of_test is not None:
        if of_test.labels is not None and of_test.predicted is not None:
            folder.write_predictions(of_test.labels, of_test.predicted)
        shown = examples(network, data, setup.streams, trainer.precision, setup.corrupt)
        if shown is not None:
            folder.write_examples(shown)
        if (mistakes := worst(of_test, data.test)) is not None:
            folder.write_mistakes(mistakes)
    seconds = sum(line["seconds"] for line in history)
    images = sum(line["seconds"] * line["images_per_second"] for line in history)
    result: dict[str, Any] = {
        "row": recipe.row,
        "source": recipe.source,
        "seed": recipe.seed,
        "status": "truncated" if trainer.truncated else "complete",
        "data": data.name,
        "device": str(data.train.pixels.device),
        "processes": trainer.ranks.count,
        "precision": trainer.precision,
        "parameters": described.parameters(),
        "multiply_adds": described.multiply_adds,
        "latent": network.latent_size,
        "inputs": data.train.pixels[0].numel(),
        "images_per_second": images / seconds if seconds else 0.0,
        "epochs": len(history),
        "steps": trainer.steps_done,
        "train": history[-1]["train"] if history else {},
        "test": {},
        **{part: of.figures for part, of in measured.items()},
        "selection": recipe.evaluation.selection,
    }
    if judge is not None:
        result["judge"] = judge.config["row"]
    if best is not None:
        result["best_validation"] = {"epoch": best["epoch"], **best["validation"]}
    watched = [line for line in history if "accuracy" in line.get("test", {})]
    if watched:
        top = max(watched, key=lambda line: float(line["test"]["accuracy"]))
        result["best_on_test"] = {"epoch": top["epoch"], "accuracy": top["test"]["accuracy"]}
    return result


def measured_part(
    setup: Setup,
    network: Network,
    data: Prepared,
    part: str,
    precision: str,
    judge: Model | None = None,
) -> Measurement:
    """One part, `test` or `validation`, measured as the recipe wants it.

    Args:
        network, data: those of `setup`, on the device.
        judge: the model that the recipe's `evaluation.judge` stands for, where it is another's.
    """
    return measure(
        network,
        data,
        part,
        setup.streams,
        precision,
        views=views_of(setup.recipe),
        judge=judge_of(setup.recipe, network, data, judge),
        ssim_range2=setup.recipe.evaluation.ssim_range2,
        corrupt=setup.corrupt,
    )


def views_of(recipe: Recipe) -> Views:
    """What an image is classified by, with the recipe's settings."""
    return Views(recipe.evaluation.mirror_views, recipe.evaluation.shifted_views)


def config_of(
    recipe: Recipe,
    network: Network,
    data: Prepared,
    precision: str,
    figures: Mapping[str, Any],
) -> dict[str, Any]:
    """What `config.json` holds: all that is needed to feed the network images, and its metrics."""
    return {
        "format": 1,
        "row": recipe.row,
        "network": {name: part.text for name, part in network.parts.items()},
        "outputs": recipe.network.outputs,
        "shape": list(data.shape),
        "pixels": list(data.train.pixels.shape[1:]),
        "classes": list(data.classes),
        "precision": precision,
        "data": data.name,
        "image_size": data.published_size,
        "norm_eps": recipe.network.norm_eps,
        "reading": None if data.reading is None else asdict(data.reading),
        "prepare": recipe.data.prepare,
        "view": recipe.data.view,
        "views": asdict(views_of(recipe)),
        "inputs": {
            "mean": data.inputs.mean.flatten().tolist(),
            "deviation": data.inputs.deviation.flatten().tolist(),
        },
        "targets": {
            "mean": data.targets.mean.flatten().tolist(),
            "deviation": data.targets.deviation.flatten().tolist(),
        },
        "test": {name: figures[name] for name in ordered(figures)},
    }

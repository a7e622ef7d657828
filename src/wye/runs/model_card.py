"""The card of a model: what it is, how good, on what, by which recipe, how to load it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from wye._version import __version__
from wye.data.catalog import DATASETS
from wye.metrics import METRICS, metrics_of, ordered
from wye.recipe.schema import Recipe

if TYPE_CHECKING:
    from huggingface_hub import ModelCard

TEMPLATE = Path(__file__).with_name("model_card.md")


def model_card(
    recipe: Recipe,
    data: str,
    result: dict[str, Any],
    made_with: dict[str, Any],
    name: str,
    **facts: Any,
) -> ModelCard:
    """A card with nothing left to fill in.

    Args:
        recipe: that the model was trained by.
        data: the images that it was trained on.
        result: `result.json` of the run that measured the weights; empty where none did.
        made_with: versions and the device.
        name: by which it is loaded; empty where that is not known.
        facts: `classes`, `pixels`, `latent` and `parameters` of the model.
    """
    from huggingface_hub import EvalResult, ModelCard, ModelCardData

    decoder, classifier = recipe.network.decoder != "none", recipe.network.classifier != "none"
    metrics, complete = metrics_of(result), result.get("status") == "complete"
    known = [(METRICS[each], metrics[each]) for each in ordered(metrics)]
    known = [(metric, value) for metric, value in known if metric.compute is not None]
    task = "image-classification" if classifier else "image-feature-extraction"
    found = [
        EvalResult(
            task_type=task,
            dataset_type=data,
            dataset_name=data,
            dataset_split="test",
            metric_type=metric.name,
            metric_name=metric.label,
            metric_value=round(value, 6),
        )
        for metric, value in known
        if complete
    ]
    head = ModelCardData(
        library_name="wye",
        pipeline_tag=task,
        tags=["autoencoder", "supervised-autoencoder", "wye"],
        model_name=recipe.row if found else None,
        eval_results=found or None,
    )
    card: ModelCard = ModelCard.from_template(
        head,
        template_str=TEMPLATE.read_text(encoding="utf-8"),
        row=recipe.row,
        title=recipe.title,
        seed=recipe.seed,
        version=__version__,
        decoder=decoder,
        classifier=classifier,
        metrics=[(metric.label, metric.show(value), metric.unit) for metric, value in known],
        complete=complete,
        data=data,
        own=data not in DATASETS,
        about=_about(data),
        settings=[fact for fact in recipe.facts().items() if fact[1] != "none"],
        made_with=", ".join(f"{key} {value}" for key, value in made_with.items()),
        name=name or "FOLDER",
        **facts,
    )
    return card


def _about(data: str) -> str:
    if data not in DATASETS:
        return f"Own images ({data}), which are not part of this repository."
    source = DATASETS[data]
    train, test = source.sizes
    return f"{data}: {source.about}; {train:,} training images and {test:,} test images."

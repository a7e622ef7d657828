"""What runs of a recipe measure, and which of it says nothing."""

from __future__ import annotations

from wye.metrics import metric
from wye.objective import TERMS
from wye.recipe.schema import Recipe, ResolvedPhase


def measures(recipe: Recipe, name: str) -> bool:
    """Whether runs of a recipe measure metric `name`."""
    there = {
        "classifier": recipe.network.classifier != "none",
        "decoder": recipe.network.decoder != "none",
        "judge": recipe.evaluation.judge != "none",
        "corrupt": bool(recipe.evaluation.corrupt),
        "rare": bool(recipe.data.limit) or recipe.data.imbalance > 1,
        "ssim_range2": recipe.evaluation.ssim_range2,
    }
    return all(there[need] for need in metric(name).needs)


def caveat(recipe: Recipe, name: str) -> str:
    """Why metric `name` of the recipe's runs says nothing; empty where it does.

    Errors of reconstructions are measured wherever there is a decoder. They mean nothing where it
    never learned (beta=0), or where the encoder went on learning without it.
    """
    reconstructs = "decoder" in metric(name).needs and name not in INDEPENDENT
    judged = "judge" in metric(name).needs and recipe.network.decoder != "none"
    if recipe.network.decoder == "none" or not (reconstructs or judged):
        return ""
    learns = [_decoder_learns(phase) for phase in recipe.resolved_phases()]
    taken_over = recipe.transfer.layers if recipe.transfer else ()
    fits = any(layer.startswith("decoder") for layer in taken_over)
    if not any(learns) and not fits:
        return "the decoder is untrained"
    since = len(learns) - learns[::-1].index(True) if any(learns) else 0
    if any(_encoder_learns(phase) for phase in recipe.resolved_phases()[since:]):
        return "the encoder went on learning without the decoder"
    return ""


INDEPENDENT = ("psnr_pca", "noisy_psnr")
"""Yardsticks beside the decoder's metrics, which owe nothing to it."""


def _decoder_learns(phase: ResolvedPhase) -> bool:
    weights = phase.loss.weights()
    asked = any(weight and "decoder" in TERMS[name].needs for name, weight in weights.items())
    return asked and "decoder" not in phase.freeze


def _encoder_learns(phase: ResolvedPhase) -> bool:
    return "encoder" not in phase.freeze

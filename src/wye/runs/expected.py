"""How long a training will take here, from two steps on made-up images."""

from __future__ import annotations

import time

import torch
import torch.nn.functional as F

from wye.network.build import build_network
from wye.recipe.schema import Recipe
from wye.training.precision import channels_last

BESIDE = 1.3
"""What reading, augmentation, validation and the rest take beside the steps, as a factor."""


def updates_of(recipe: Recipe, images: int) -> int:
    """Optimiser steps of a training on so many images."""
    batch = recipe.train.batch_size
    a_pass = images // batch if recipe.train.drop_last else -(-images // batch)
    return recipe.train.epochs * (recipe.train.steps or max(a_pass, 1))


def expected_time(recipe: Recipe, updates: int, channels: int, classes: int) -> str:
    """In words, on the CPU; empty where a GPU will do it.

    Args:
        channels: of the images.
    """
    if torch.cuda.is_available() or torch.backends.mps.is_available():
        return ""
    side = recipe.data.image_size or 32
    shape = (recipe.data.channels or channels, side, side)
    with torch.random.fork_rng(devices=[]):  # what is drawn here must not change the weights
        network = channels_last(build_network(recipe.network, shape, classes).eval())
        images = torch.rand(recipe.train.batch_size, *shape)
        images = images.contiguous(memory_format=torch.channels_last)
        try:
            least = min(_step(network, images) for _ in range(2))
        except RuntimeError:  # the network cannot take them: the run says so, and why
            return ""
    return in_words(BESIDE * least * updates)


def _step(network: torch.nn.Module, images: torch.Tensor) -> float:
    start = time.perf_counter()
    made = network(images)
    loss = torch.zeros(())
    if made.logits is not None:
        loss = loss + F.cross_entropy(made.logits, torch.zeros(len(images), dtype=torch.int64))
    if made.reconstruction is not None:
        loss = loss + F.mse_loss(made.reconstruction, images)
    loss.backward()
    return time.perf_counter() - start


def in_words(seconds: float) -> str:
    """`under a minute`, `about 4 minutes`, `about 2.5 hours`."""
    if seconds < 60:
        return "under a minute"
    if seconds < 5400:
        minutes = round(seconds / 60)
        return f"about {minutes} minute{'' if minutes == 1 else 's'}"
    return f"about {seconds / 3600:.2g} hours"

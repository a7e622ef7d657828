"""The generated data set: always the same, balanced, learnable and not trivial."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from wye.data import load, shapes
from wye.data.catalog import DATASETS, Parts, content_hash


@pytest.fixture(scope="module")
def parts() -> Parts:
    return shapes.generate()


def test_the_content_is_the_published_one(parts: Parts) -> None:
    # Stable bits, float64 and one rounding: the last digit of a sine should move no pixel.
    assert DATASETS["shapes"].fault(parts) is None
    torch.manual_seed(1)
    assert content_hash((load("shapes").train, load("shapes").test)) == content_hash(parts)


def test_classes_are_balanced_and_mixed(parts: Parts) -> None:
    for part, size in zip(parts, shapes.SIZES, strict=True):
        assert part.labels.bincount().tolist() == [size // 10] * 10
        assert part.labels[:200].unique().numel() == 10
        assert part.pixels.shape == (size, 3, 32, 32)


def test_no_image_occurs_twice(parts: Parts) -> None:
    pixels = torch.cat([part.pixels for part in parts]).flatten(1)
    assert len({row.tobytes() for row in pixels.numpy()}) == sum(shapes.SIZES)


def test_every_shape_is_of_sound_size_and_edge() -> None:
    """Close to the edge the distances have slope 1, which makes one pixel of antialiasing."""
    line = np.linspace(-1.5, 1.5, 301)
    x, y = np.meshgrid(line, line)
    for name, distance in shapes.SHAPES.items():
        edge = distance(x, y)
        inside = (edge < 0).mean() * 9  # the square of side 3 has area 9
        assert 0.8 < inside < 2.7, name
        assert (edge[np.hypot(x, y) > 1.25] > 0).all(), name
        slopes = np.hypot(*np.gradient(edge, line, line))
        assert 0.95 < slopes[np.abs(edge) < 0.03].mean() < 1.02, name


def _ridge_accuracy(train: Tensor, labels: Tensor, test: Tensor, truth: Tensor) -> float:
    mean, deviation = train.mean(0), train.std(0) + 1e-6
    train, test = (train - mean) / deviation, (test - mean) / deviation
    gram = train.T @ train + 0.1 * len(train) * torch.eye(train.shape[1])
    weights = torch.linalg.solve(gram, train.T @ (functional.one_hot(labels).float() - 0.1))
    return (test @ weights).argmax(1).eq(truth).float().mean().item()


def test_pixels_say_little_and_edges_say_much(parts: Parts) -> None:
    (train, test) = parts
    train = train.take(torch.arange(3000))
    flat = [part.pixels[:, :, ::2, ::2].flatten(1).float() for part in (train, test)]
    linear = _ridge_accuracy(flat[0], train.labels, flat[1], test.labels)

    def features(pixels: Tensor) -> Tensor:
        """Pooled responses to random filters of the contrast with the image's own mean."""
        images = pixels.float() - pixels.float().mean((2, 3), keepdim=True)
        images = images / images.std((2, 3), keepdim=True)
        filters = torch.randn(64, 3, 7, 7, generator=torch.Generator().manual_seed(0))
        filters = filters - filters.mean((2, 3), keepdim=True)
        response = functional.conv2d(images, filters, stride=2).abs()
        pooled = functional.adaptive_avg_pool2d(response, 3).flatten(1)
        return torch.cat([pooled, response.amax((2, 3)), response.std((2, 3))], dim=1)

    edges = _ridge_accuracy(
        features(train.pixels), train.labels, features(test.pixels), test.labels
    )
    assert linear < 0.3
    assert edges > 0.4
    assert edges > 2 * linear

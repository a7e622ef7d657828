"""From a data set to batches: subset, split, normalisation, order, augmentation, corruption."""

from __future__ import annotations

import math

import pytest
import torch
from tiny import tiny_set

from wye.data.batches import evaluation_batches, steps_per_epoch, training_batches
from wye.data.images import DataSet, Images
from wye.data.prepare import Prepared, prepare
from wye.errors import UsageError
from wye.recipe.schema import DataSettings
from wye.streams import STREAMS, Streams


@pytest.mark.parametrize(
    ("images", "batch", "steps"), [(10, 4, 3), (9, 4, 2), (8, 4, 2), (1, 4, 1)]
)
def test_a_last_batch_of_one_image_is_left_out(images: int, batch: int, steps: int) -> None:
    assert steps_per_epoch(images, batch) == steps


def epoch_of(data: Prepared, streams: Streams, epoch: int) -> tuple[torch.Tensor, torch.Tensor]:
    batches = list(training_batches(data, 7, streams, epoch))
    return (
        torch.cat([batch.inputs for batch in batches]),
        torch.cat([batch.labels for batch in batches]),
    )


def test_streams_can_be_varied_one_by_one() -> None:
    settings = DataSettings(validation=0.2, augment="flip > crop(1)", per_class=10)
    seen = {}
    for name in ("none", *STREAMS):
        streams = Streams(0, {} if name == "none" else {name: 9})
        data = prepare(tiny_set(), settings, streams)
        seen[name] = (data.train.pixels, *epoch_of(data, streams, 1))
    base = seen["none"]
    for name in ("subset", "split"):
        assert not torch.equal(seen[name][0], base[0])
    for name in ("weights", "order", "augmentation", "noise"):
        assert torch.equal(seen[name][0], base[0])
    assert not torch.equal(seen["order"][2], base[2])
    assert torch.equal(seen["augmentation"][2], base[2])
    assert not torch.equal(seen["augmentation"][1], base[1])
    assert torch.equal(seen["weights"][1], base[1])


def test_epochs_differ_and_repeat_from_their_number_alone() -> None:
    streams = Streams(3)
    data = prepare(tiny_set(), DataSettings(augment="flip"), streams)
    first, again, second = (epoch_of(data, streams, epoch) for epoch in (1, 1, 2))
    assert torch.equal(first[0], again[0])
    assert not torch.equal(first[1], second[1])


def test_a_split_keeps_the_shares_of_the_classes_and_loses_no_image() -> None:
    data = prepare(tiny_set(), DataSettings(validation=0.25), Streams(0))
    assert data.validation is not None
    assert torch.bincount(data.validation.labels).tolist() == [5, 5, 5]
    assert torch.bincount(data.train.labels).tolist() == [15, 15, 15]
    parts = torch.cat([data.train.pixels, data.validation.pixels]).flatten(1)
    assert {tuple(row) for row in parts.tolist()} == {
        tuple(row) for row in tiny_set().train.pixels.flatten(1).tolist()
    }


def test_dataset_normalisation_is_that_of_the_training_part() -> None:
    data = prepare(tiny_set(), DataSettings(validation=0.2), Streams(0))
    inputs = data.inputs.apply(data.train.pixels)
    assert inputs.mean((0, 2, 3)).abs().max() < 1e-5
    assert (inputs.std((0, 2, 3), unbiased=False) - 1).abs().max() < 1e-5
    restored = data.inputs.undo(inputs)
    torch.testing.assert_close(restored, data.train.pixels.float() / 255, atol=1e-6, rtol=0)


def test_imagenet_normalisation_of_grey_images_is_the_mean_of_the_channels() -> None:
    data = prepare(tiny_set(), DataSettings(normalize="imagenet", channels=1), Streams(0))
    assert data.shape == (1, 8, 8)
    assert data.inputs.mean.item() == pytest.approx((0.485 + 0.456 + 0.406) / 3)


def test_a_corruption_reaches_the_input_alone_and_is_fixed_in_evaluation() -> None:
    streams = Streams(0)
    data = prepare(tiny_set(), DataSettings(corrupt="noise(0.5)", normalize="none"), streams)
    batch = next(training_batches(data, 60, streams, 1))
    assert ((batch.inputs - batch.targets).std() - 0.5).abs() < 0.05
    first, again = (
        next(evaluation_batches(data, data.test, 30, streams, "test")) for _ in range(2)
    )
    assert torch.equal(first.inputs, again.inputs)
    torch.testing.assert_close(first.targets, data.test.pixels.float() / 255)


def test_preparation_changes_every_image_once() -> None:
    data = prepare(tiny_set(), DataSettings(prepare="resize(12) > centre(10)"), Streams(0))
    assert data.shape == (3, 10, 10)
    assert data.test.pixels.shape[1:] == (3, 10, 10)
    assert data.test.pixels.dtype == torch.uint8


def test_a_unit_target_is_the_image_itself() -> None:
    data = prepare(tiny_set(), DataSettings(normalize="imagenet", target="unit"), Streams(0))
    batch = next(training_batches(data, 5, Streams(0), 1))
    assert 0 <= batch.targets.min() < batch.targets.max() <= 1
    assert batch.inputs.min() < 0
    assert math.isclose(data.targets.range[1], 1)


def test_single_classes_can_be_limited_and_made_up_for() -> None:
    settings = DataSettings(validation=0.2, limit={"b": 10})
    data = prepare(tiny_set(), settings, Streams(0))
    assert torch.bincount(data.train.labels).tolist() == [16, 8, 16]
    balanced = prepare(
        tiny_set(), settings.model_copy(update={"balance": "oversample"}), Streams(0)
    )
    assert torch.bincount(balanced.train.labels).tolist() == [16, 16, 16]
    # Every image is still there, those of the small class exactly twice, and none held out is.
    rows = balanced.train.pixels.flatten(1)
    _, counts = rows[balanced.train.labels == 1].unique(dim=0, return_counts=True)
    assert counts.tolist() == [2] * 8
    assert data.validation is not None
    held = {tuple(row) for row in data.validation.pixels.flatten(1).tolist()}
    assert not held & {tuple(row) for row in rows.tolist()}
    with pytest.raises(UsageError, match=r"data.limit: no class 'd'; known: a, b, c"):
        prepare(tiny_set(), DataSettings(limit={"d": 1}), Streams(0))


def test_oversampling_repeats_as_evenly_as_it_can() -> None:
    """Every class is filled to the largest; no image stands two times more often than another."""
    labels = torch.tensor([0] * 10 + [1] * 4 + [2] * 7)
    pixels = torch.arange(21, dtype=torch.uint8).view(21, 1, 1, 1).expand(21, 1, 4, 4).contiguous()
    images = Images(pixels, labels)
    dataset = DataSet("uneven", ("a", "b", "c"), images, images)
    data = prepare(dataset, DataSettings(validation=0, balance="oversample"), Streams(1))
    assert torch.bincount(data.train.labels).tolist() == [10, 10, 10]
    times = torch.bincount(data.train.pixels[:, 0, 0, 0].int(), minlength=21)
    assert times[:10].tolist() == [1] * 10
    assert set(times[10:14].tolist()) == {2, 3}
    assert set(times[14:].tolist()) == {1, 2}

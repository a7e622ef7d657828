"""From a data set to what is trained on: classes, subset, split, copies, normalisation."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.ndimage import gaussian_filter
from tiny import tiny_set

from wye.data.batches import evaluation_batches, training_batches
from wye.data.images import DataSet, Images
from wye.data.prepare import Prepared, prepare
from wye.data.shape import input_shape
from wye.data.sources import load
from wye.data.subset import long_tail
from wye.errors import UsageError
from wye.notation import NotationError
from wye.recipe.schema import DataSettings
from wye.streams import STREAMS, Streams

STREAM = Streams(0)


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
    assert data.rare == balanced.rare == ("b",)
    assert prepare(tiny_set(), DataSettings(), Streams(0)).rare == ()
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


def test_classes_are_chosen_and_counted_from_nought() -> None:
    whole = tiny_set()
    settings = DataSettings(classes=("c", "a"), validation=0.2, limit={"a": 10})
    data = prepare(whole, settings, Streams(0))
    assert data.classes == ("c", "a")
    assert torch.equal(
        data.test.pixels[data.test.labels == 0], whole.test.pixels[whole.test.labels == 2]
    )
    assert len(data.test) == 20
    assert len(data.published_train) == 40
    assert data.validation is not None
    parts = torch.cat([data.train.labels, data.validation.labels])
    assert torch.bincount(parts).tolist() == [20, 10]
    for wrong, message in (("cc", "no class 'cc'; did you mean 'c'"), ("a", "'a' is named twice")):
        with pytest.raises(UsageError, match=f"data.classes: {message}"):
            prepare(whole, DataSettings(classes=("a", wrong)), Streams(0))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"channels": 1, "prepare": "resize(12) > centre(10)"},
        {"classes": ("square", "circle"), "augment": "resize(9)", "view": "resize(9)"},
        {"prepare": "resize(20)", "view": "centre(18)"},
    ],
)
def test_the_shape_is_known_without_the_images(settings: dict[str, object]) -> None:
    data = DataSettings.model_validate({"name": "shapes", **settings})
    made = prepare(load("shapes"), data, Streams(0))
    assert input_shape(data) == (made.shape, len(made.classes))


def test_unknown_classes_are_known_without_the_images() -> None:
    with pytest.raises(UsageError, match=r"data.classes: no class 'circel'; did you mean 'circle'"):
        input_shape(DataSettings(name="shapes", classes=("circel",)))


def test_test_images_can_be_prepared_further() -> None:
    line = "resize(12)"
    data = prepare(tiny_set(), DataSettings(prepare=line, prepare_test="blur(1)"), Streams(0))
    plain = prepare(tiny_set(), DataSettings(prepare=line), Streams(0))
    assert torch.equal(data.train.pixels, plain.train.pixels)
    assert torch.equal(data.published_train, plain.published_train)
    blurred = gaussian_filter(plain.test.pixels.numpy() / 255, 1, axes=(2, 3), mode="mirror")
    difference = data.test.pixels.numpy() / 255 - blurred
    assert abs(difference).max() <= 0.5 / 255 + 1e-6
    with pytest.raises(UsageError, match=r"data.prepare_test makes images of 5x5"):
        prepare(tiny_set(), DataSettings(prepare_test="resize(5)"), Streams(0))


def test_copies_stand_one_after_the_other_and_only_in_training() -> None:
    settings = DataSettings(validation=0.2, normalize="none", copies=("", "flip(1)", "noise(1)"))
    data = prepare(tiny_set(), settings, Streams(0))
    plain = prepare(tiny_set(), settings.model_copy(update={"copies": ()}), Streams(0))
    count = len(plain.train)
    assert len(data.train) == 3 * count
    assert torch.equal(data.train.labels, plain.train.labels.repeat(3))
    original, flipped, noisy = data.train.pixels.split(count)
    assert data.train.pixels.dtype == torch.float32
    assert torch.equal(original, plain.train.pixels.float() / 255)
    assert torch.equal(flipped, original.flip(3))
    assert (noisy - original).std() == pytest.approx(1, abs=0.02)
    assert data.validation is not None and plain.validation is not None
    assert torch.equal(data.validation.pixels, plain.validation.pixels)
    assert data.published_train.dtype == data.test.pixels.dtype == torch.uint8
    # The target's range is that of the noisy pixels, not [0, 1].
    assert data.target_range == (noisy.min().item(), noisy.max().item())
    assert plain.target_range == (0, 1)
    again = prepare(tiny_set(), settings, Streams(0))
    assert torch.equal(again.train.pixels, data.train.pixels)
    other = prepare(tiny_set(), settings, Streams(0, {"noise": 1}))
    assert not torch.equal(other.train.pixels[2 * count :], noisy)


def test_copies_that_stay_in_range_stay_bytes() -> None:
    copies = ("", "noise(0.2, clip=yes)", "affine(rotate=30)", "resize(16) > resize(8)")
    data = prepare(tiny_set(), DataSettings(copies=copies, validation=0), Streams(0))
    assert data.train.pixels.dtype == torch.uint8
    assert len(data.train) == 240
    assert data.target_range == data.targets.range
    with pytest.raises(UsageError, match=r"data.copies.1 makes images of 5x5"):
        prepare(tiny_set(), DataSettings(copies=("", "resize(5)")), Streams(0))
    with pytest.raises(NotationError, match=r"data.copies.1: no transformation is called 'flop'"):
        prepare(tiny_set(), DataSettings(copies=("", "flop")), Streams(0))


def test_noisy_copies_are_normalised_by_what_they_are() -> None:
    settings = DataSettings(copies=("", "noise(1)"), validation=0)
    data = prepare(tiny_set(), settings, Streams(0))
    inputs = data.inputs.apply(data.train.pixels)
    assert inputs.mean((0, 2, 3)).abs().max() < 1e-5
    assert (inputs.std((0, 2, 3), unbiased=False) - 1).abs().max() < 1e-5
    low, high = data.target_range
    assert (low, high) == (inputs.min().item(), inputs.max().item())


def test_a_view_leaves_the_stored_images_alone() -> None:
    data = prepare(tiny_set(), DataSettings(view="resize(20) > centre(16)"), Streams(0))
    assert data.shape == (3, 16, 16)
    assert data.to(torch.device("cpu")).shape == (3, 16, 16)
    assert data.test.pixels.shape[1:] == data.published_train.shape[1:] == (3, 8, 8)


@pytest.mark.parametrize("name", ["prepare", "prepare_test", "augment", "view", "corrupt"])
def test_a_line_that_cannot_be_read_is_named(name: str) -> None:
    with pytest.raises(NotationError, match=rf"data.{name}: no transformation is called 'flop'"):
        prepare(tiny_set(), DataSettings.model_validate({name: "flop"}), Streams(0))


def test_a_long_tail_is_that_of_the_literature() -> None:
    """CIFAR-10 at a ratio of 200, as published with the class-balanced loss."""
    counts = [5000, 2775, 1540, 854, 474, 263, 146, 81, 45, 25]
    assert long_tail(5000, 200, 10) == counts


@pytest.mark.parametrize(
    ("settings", "counts", "pool"),
    [
        ({"imbalance": 4}, [20, 10, 5], 35),
        ({"imbalance": 4, "limit": {"b": 3}}, [20, 3, 5], 28),
        ({"per_class": 8, "imbalance": 2}, [8, 5, 4], 17),
        ({"labels_per_class": 6}, [6, 6, 6], 60),
        ({"labels_per_class": 6, "imbalance": 3}, [6, 3, 2], 60),
        ({"labels_per_class": 6, "per_class": 10}, [6, 6, 6], 30),
    ],
)
def test_labels_and_images_that_are_kept(
    settings: dict[str, object], counts: list[int], pool: int
) -> None:
    data = prepare(tiny_set(), DataSettings.model_validate({"validation": 0, **settings}), STREAM)
    assert data.train.labels.bincount().tolist() == counts
    assert data.pool is not None and len(data.pool) == pool


def test_fewer_labels_are_some_of_the_more() -> None:
    """So that arms with few labels and many see the same images first."""
    few, many = (
        prepare(tiny_set(), DataSettings(validation=0.2, labels_per_class=count), STREAM)
        for count in (2, 6)
    )
    kept = {tuple(image.flatten().tolist()) for image in few.train.pixels}
    assert kept < {tuple(image.flatten().tolist()) for image in many.train.pixels}

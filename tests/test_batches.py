"""What a step and an evaluation see of the prepared images."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
import torch
from tiny import tiny_set
from torch import Tensor

from wye.data.batches import (
    Batch,
    evaluation_batch_size,
    evaluation_batches,
    steps_per_epoch,
    training_batches,
)
from wye.data.prepare import Prepared, prepare
from wye.data.transforms import as_float, pipeline
from wye.errors import UsageError
from wye.recipe.schema import DataSettings
from wye.streams import Streams


def prepared(**settings: object) -> Prepared:
    return prepare(
        tiny_set(),
        DataSettings.model_validate({"normalize": "none", "validation": 0.2, **settings}),
        Streams(0),
    )


def epoch(data: Prepared, number: int = 1, image_size: int | None = None) -> Batch:
    return joined(training_batches(data, 7, Streams(0), number, image_size))


def evaluated(data: Prepared, batch_size: int = 30) -> Batch:
    return joined(evaluation_batches(data, data.test, batch_size, Streams(0), "test"))


def joined(batches: Iterable[Batch]) -> Batch:
    """All images of several batches in one."""
    parts = zip(*batches, strict=True)
    return Batch(*(None if part[0] is None else torch.cat(part) for part in parts))


def in_order(data: Prepared, number: int) -> Tensor:
    """The stored training images in the order of an epoch, by the stream that decides it."""
    generator = Streams(0).generator("order", number)
    return as_float(data.train.pixels[torch.randperm(len(data.train), generator=generator)])


@pytest.mark.parametrize(
    ("images", "batch", "steps"), [(10, 4, 3), (9, 4, 2), (8, 4, 2), (1, 4, 1)]
)
def test_a_last_batch_of_one_image_is_left_out(images: int, batch: int, steps: int) -> None:
    assert steps_per_epoch(images, batch) == steps


def test_alternate_flips_show_each_image_both_ways_in_any_two_epochs() -> None:
    data = prepared(alternate_flip=True, augment="noise(0.1)", augmented_target=False)
    mirrored = []
    for number in (1, 2, 3):
        stored = in_order(data, number)
        seen = epoch(data, number)
        kept, flipped = (
            torch.tensor([torch.allclose(*pair) for pair in zip(seen.targets, way, strict=True)])
            for way in (stored, stored.flip(3))
        )
        assert torch.equal(flipped, ~kept)
        order = torch.randperm(len(data.train), generator=Streams(0).generator("order", number))
        mirrored.append(torch.empty_like(flipped).index_copy_(0, order, flipped))
        assert not torch.equal(seen.inputs, seen.targets)  # `augment` comes behind
    assert torch.equal(mirrored[0], ~mirrored[1])
    assert torch.equal(mirrored[0], mirrored[2])
    assert 0.25 < mirrored[0].float().mean() < 0.75


def test_the_target_is_augmented_unless_it_is_said_not_to_be() -> None:
    line = "flip > affine(rotate=40, shift=0.2)"
    both, input_alone = prepared(augment=line), prepared(augment=line, augmented_target=False)
    correct, faulty = epoch(both), epoch(input_alone)
    assert torch.equal(correct.inputs, correct.targets)
    # The same draws: only the target differs, and it is the stored image.
    assert torch.equal(faulty.inputs, correct.inputs)
    plain = in_order(input_alone, 1)[: len(faulty.targets)]
    torch.testing.assert_close(faulty.targets, plain)
    assert (faulty.inputs - faulty.targets).abs().mean() > 0.01
    held = evaluated(input_alone)
    assert torch.equal(held.inputs, held.targets)


def test_an_unaugmented_target_takes_the_size_of_the_phase() -> None:
    data = prepared(augment="flip(1)", augmented_target=False)
    small = epoch(data, image_size=4)
    assert small.inputs.shape == small.targets.shape
    torch.testing.assert_close(small.inputs, small.targets.flip(3))


def test_an_unaugmented_target_must_have_the_size_of_the_input() -> None:
    settings = {"augment": "resize(12) > randomcrop(10)", "augmented_target": False}
    with pytest.raises(UsageError, match="images of 10x10, and the target without it is of 8x8"):
        prepared(**settings)
    batch = epoch(prepared(**settings, view="resize(12) > centre(10)"))
    assert batch.inputs.shape == batch.targets.shape
    assert not torch.equal(batch.inputs, batch.targets)


def test_a_view_brings_evaluation_to_the_size_of_training() -> None:
    line = "resize(12) > centre(10)"
    data = prepared(augment="resize(12) > randomcrop(10) > flip", view=line)
    assert data.train.pixels.shape[1:] == data.test.pixels.shape[1:] == (3, 8, 8)
    assert data.shape == (3, 10, 10)
    assert epoch(data).inputs.shape[1:] == (3, 10, 10)
    expected = pipeline(line)(data.test.pixels, torch.Generator())
    assert torch.equal(evaluated(data).inputs, evaluated(data, 7).targets)
    torch.testing.assert_close(evaluated(data).inputs, expected)


def test_a_view_comes_before_the_corruption() -> None:
    data = prepared(view="resize(4)", corrupt="noise(0.5)")
    batch = evaluated(data)
    torch.testing.assert_close(
        batch.targets, pipeline("resize(4)")(data.test.pixels, torch.Generator())
    )
    assert (batch.inputs - batch.targets).std() == pytest.approx(0.5, abs=0.03)


def test_a_corruption_can_be_kept_to_training() -> None:
    everywhere = prepared(corrupt="noise(0.5)")
    training = prepared(corrupt="noise(0.5)", corrupt_in="training")
    assert torch.equal(epoch(training).inputs, epoch(everywhere).inputs)
    assert not torch.equal(epoch(training).inputs, epoch(training).targets)
    assert not torch.equal(evaluated(everywhere).inputs, evaluated(everywhere).targets)
    assert torch.equal(evaluated(training).inputs, evaluated(training).targets)


def test_a_corruption_of_the_decoder_leaves_the_inputs_clean() -> None:
    everywhere = prepared(corrupt="noise(0.5)")
    decoder = prepared(corrupt="noise(0.5)", corrupt_in="decoder")
    batch = epoch(decoder)
    assert torch.equal(batch.inputs, batch.targets)
    assert batch.noisy is not None and torch.equal(batch.noisy, epoch(everywhere).inputs)
    assert evaluated(decoder).noisy is None
    assert torch.equal(evaluated(decoder).inputs, evaluated(decoder).targets)


def test_images_without_a_label_are_noisy_for_the_decoder_too() -> None:
    data = prepared(corrupt="noise(0.5)", corrupt_in="decoder")
    batch = next(training_batches(data, 7, Streams(0), 1, unlabelled=5))
    assert batch.noisy is not None and batch.noisy.shape == batch.inputs.shape
    assert len(batch.inputs) == 12 and len(batch.labels) == 7
    assert (batch.noisy - batch.inputs).std() == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize(("images", "batch", "kept"), [(24, 7, 21), (21, 7, 21), (5, 7, 5)])
def test_a_last_batch_that_is_not_full_can_be_left_out(images: int, batch: int, kept: int) -> None:
    data = prepared(validation=0)
    few = replace(data, train=data.train.take(torch.arange(images)))
    sizes = [len(b.labels) for b in training_batches(few, batch, Streams(0), 1, drop_last=True)]
    assert sum(sizes) == kept and len(set(sizes)) == 1
    assert len(sizes) == steps_per_epoch(images, batch, drop_last=True)


def test_the_noise_of_a_copy_is_the_same_in_every_epoch() -> None:
    data = prepared(copies=("", "noise(1)"), validation=0)
    known = {tuple(image) for image in data.train.pixels.flatten(1).tolist()}
    for number in (1, 2):
        batch = epoch(data, number)
        assert {tuple(image) for image in batch.inputs.flatten(1).tolist()} <= known
        # The target is noisy too, as in study S2.
        assert torch.equal(batch.inputs, batch.targets)
    fresh = replace(data, augment=pipeline("noise(1)"))
    assert not torch.equal(epoch(fresh, 1).inputs.sort(0)[0], epoch(fresh, 2).inputs.sort(0)[0])


def test_batches_of_evaluation_shrink_with_the_area() -> None:
    sizes = {side: evaluation_batch_size((3, side, side)) for side in (28, 32, 64, 224, 4096)}
    assert sizes[28] == sizes[32] == 500 and sizes[64] == 125
    assert sizes[224] == 10
    assert sizes[4096] == 1


def test_an_epoch_of_given_steps_goes_over_the_images_as_often_as_it_takes() -> None:
    data = prepared()
    batches = list(training_batches(data, 7, Streams(0), 1, steps=20))
    assert [len(batch.labels) for batch in batches] == [7] * 20
    seen = torch.cat([batch.inputs for batch in batches]).flatten(1)
    stored = as_float(data.train.pixels).flatten(1)
    times = torch.cdist(seen, stored).argmin(1).bincount(minlength=len(stored))
    passes = 140 // len(stored)
    assert times.sum() == 140 and times.min() >= passes and times.max() <= passes + 1


def test_images_without_a_label_follow_and_leave_the_labelled_ones_as_they_were() -> None:
    settings = {"labels_per_class": 2, "augment": "flip", "corrupt": "noise(0.1)"}
    data = prepared(**settings)
    assert len(data.train) == 6 and data.pool is not None and len(data.pool) == 48
    alone = list(training_batches(data, 4, Streams(0), 1, steps=30))
    joined = list(training_batches(data, 4, Streams(0), 1, steps=30, unlabelled=5))
    for without, batch in zip(alone, joined, strict=True):
        assert torch.equal(batch.inputs[:4], without.inputs)
        assert torch.equal(batch.labels, without.labels)
        assert len(batch.inputs) == len(batch.targets) == 9
    drawn = torch.cat([batch.targets[4:] for batch in joined]).flatten(1)
    pool = as_float(data.pool)
    either = torch.cat([pool, pool.flip(3)]).flatten(1)
    nearest = torch.cdist(drawn, either).min(1)
    assert nearest.values.max() < 1e-2
    assert len((nearest.indices % 48).unique()) == 48, "all of the training part is drawn from"

"""Classes of unequal size: samplers, SMOTE and stratified parts beside the field's own packages."""

from __future__ import annotations

import sys
from collections import Counter

import numpy as np
import pytest
import torch
from imblearn.over_sampling import SMOTE, RandomOverSampler
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.neighbors import NearestNeighbors
from torch import Tensor
from torch.utils.data import WeightedRandomSampler

from wye.data.balance import drawn, smote, weighted_order
from wye.data.batches import training_batches
from wye.data.images import DataSet, Images
from wye.data.prepare import Prepared, prepare
from wye.data.subset import split
from wye.errors import UsageError
from wye.recipe.schema import DataSettings
from wye.streams import Streams

SIZES = (40, 12, 25)


def labels_of(sizes: tuple[int, ...], seed: int = 0) -> Tensor:
    labels = torch.cat([torch.full((size,), label) for label, size in enumerate(sizes)])
    return labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))]


def uneven_set(sizes: tuple[int, ...] = SIZES) -> DataSet:
    labels = labels_of(sizes)
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randint(0, 90, (len(labels), 1, 4, 4), generator=generator)
    pixels = (pixels + 60 * labels.view(-1, 1, 1, 1)).to(torch.uint8)
    images = Images(pixels, labels)
    return DataSet("uneven", ("a", "b", "c", "d", "e")[: len(sizes)], images, images)


def balanced_by(how: str, validation: float = 0.0, seed: int = 2) -> Prepared:
    settings = DataSettings(balance=how, validation=validation)
    return prepare(uneven_set(), settings, Streams(seed))


def rows_of(pixels: Tensor) -> list[tuple[int, ...]]:
    return [tuple(row) for row in pixels.flatten(1).tolist()]


def test_draw_fills_up_as_random_oversampling_does() -> None:
    labels = labels_of(SIZES)
    chosen = drawn(labels, torch.Generator().manual_seed(0))
    sampler = RandomOverSampler(random_state=0)
    _, theirs = sampler.fit_resample(np.arange(len(labels))[:, None], labels.numpy())
    assert Counter(labels[chosen].tolist()) == Counter(theirs.tolist())
    # Every image is there, and of those drawn again some are so more than once.
    times = torch.bincount(chosen, minlength=len(labels))
    theirs_times = np.bincount(sampler.sample_indices_, minlength=len(labels))
    assert times.min() == theirs_times.min() == 1
    assert times[labels == 0].max() == 1
    # 28 draws from 12 images miss one image each with probability e^-2.3: not as even as copies.
    assert times[labels == 1].max() > 4 > times[labels == 1].min()
    assert torch.equal(chosen, drawn(labels, torch.Generator().manual_seed(0)))
    assert not torch.equal(chosen, drawn(labels, torch.Generator().manual_seed(1)))


def test_a_weighted_order_is_that_of_pytorch() -> None:
    labels = labels_of(SIZES)
    weights = (1 / torch.tensor(SIZES).double())[labels]
    theirs = WeightedRandomSampler(
        weights.tolist(), len(labels), generator=torch.Generator().manual_seed(4)
    )
    assert weighted_order(labels, torch.Generator().manual_seed(4)).tolist() == list(theirs)


def test_a_weighted_epoch_has_every_class_as_often() -> None:
    streams = Streams(0)
    data = prepare(uneven_set(), DataSettings(balance="weighted", validation=0), streams)
    assert torch.bincount(data.train.labels).tolist() == list(SIZES)
    seen = [
        torch.cat([batch.labels for batch in training_batches(data, 7, streams, epoch)])
        for epoch in range(1, 61)
    ]
    assert all(len(labels) == sum(SIZES) for labels in seen)
    shares = torch.bincount(torch.cat(seen)).double() / (60 * sum(SIZES))
    assert shares.tolist() == pytest.approx([1 / 3] * 3, abs=0.03)
    again = [batch.labels for batch in training_batches(data, 7, streams, 1)]
    assert torch.equal(torch.cat(again), seen[0])
    assert not torch.equal(seen[0], seen[1])


@pytest.mark.parametrize("seed", [0, 2**40 + 7])
def test_smote_is_that_of_imbalanced_learn(seed: int) -> None:
    labels = labels_of(SIZES)
    values = torch.randn((len(labels), 6), generator=torch.Generator().manual_seed(3))
    made, made_labels = smote(values, labels, seed)
    sampler = SMOTE(random_state=seed % 2**32)
    theirs, their_labels = sampler.fit_resample(values.numpy(), labels.numpy())
    assert made.dtype == torch.float32
    np.testing.assert_array_equal(torch.cat([values, made]), theirs)
    np.testing.assert_array_equal(torch.cat([labels, made_labels]), their_labels)


def test_smote_lies_between_a_point_and_a_near_neighbour() -> None:
    labels = labels_of(SIZES)
    values = torch.randn((len(labels), 6), generator=torch.Generator().manual_seed(3))
    made, made_labels = smote(values, labels, 0)
    assert torch.bincount(made_labels, minlength=3).tolist() == [0, 28, 15]
    for label in (1, 2):
        own = values[labels == label].double().numpy()
        near = NearestNeighbors(n_neighbors=6).fit(own).kneighbors(own, return_distance=False)
        starts = np.repeat(own, 5, axis=0)
        ways = own[near[:, 1:].ravel()] - starts
        for point in made[made_labels == label].double().numpy():
            along = ((point - starts) * ways).sum(1) / (ways**2).sum(1)
            away = np.linalg.norm(starts + along.clip(0, 1)[:, None] * ways - point, axis=1)
            assert away.min() < 1e-6


def test_smote_takes_the_neighbours_there_are() -> None:
    values = torch.tensor([[0.0], [1.0], [2.0], [3.0], [10.0], [11.0]])
    made, labels = smote(values, torch.tensor([0, 0, 0, 0, 1, 1]), 0)
    assert labels.tolist() == [1, 1]
    assert ((made >= 10) & (made <= 11)).all()
    assert smote(values, torch.tensor([0, 0, 0, 1, 1, 1]), 0)[0].shape == (0, 1)
    assert smote(values, torch.zeros(6, dtype=torch.int64), 0)[0].shape == (0, 1)
    with pytest.raises(UsageError, match="one training image alone"):
        smote(values, torch.tensor([0, 0, 0, 0, 0, 1]), 0)


def test_smote_says_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imblearn.over_sampling", None)
    with pytest.raises(UsageError, match=r"wye\[resampling\]"):
        balanced_by("smote")


def test_smote_of_pixels_makes_images_of_the_training_part_alone() -> None:
    data, plain = balanced_by("smote", 0.2), balanced_by("none", 0.2)
    assert data.train.pixels.dtype == torch.uint8
    assert torch.bincount(data.train.labels).tolist() == [32, 32, 32]
    count = len(plain.train)
    assert torch.equal(data.train.pixels[:count], plain.train.pixels)
    assert data.validation is not None and plain.validation is not None
    assert torch.equal(data.validation.pixels, plain.validation.pixels)
    # No synthetic image leaves the box that the training images of its class span.
    made = data.train.take(torch.arange(count, len(data.train)))
    for label in (1, 2):
        own = plain.train.pixels[plain.train.labels == label]
        new = made.pixels[made.labels == label]
        assert (new >= own.amin(0)).all() and (new <= own.amax(0)).all()
        assert len(new.unique(dim=0)) > len(new) / 2
    assert torch.equal(balanced_by("smote", 0.2).train.pixels, data.train.pixels)
    assert not torch.equal(balanced_by("smote", 0.2, seed=3).train.pixels, data.train.pixels)


@pytest.mark.parametrize("how", ["oversample", "draw"])
def test_what_is_held_out_is_not_drawn_again(how: str) -> None:
    data = balanced_by(how, 0.25)
    assert data.validation is not None
    assert torch.bincount(data.train.labels).tolist() == [30, 30, 30]
    assert not set(rows_of(data.validation.pixels)) & set(rows_of(data.train.pixels))


@pytest.mark.parametrize(
    ("sizes", "share"),
    [
        ((5000, 5000, 2500, 5000, 2500, 5000, 5000, 5000, 5000, 2500), 0.15),
        ((5000, 5000, 2500, 5000, 2500, 5000, 5000, 5000, 5000, 2500), 0.05),
        ((50, 50, 50, 50, 50), 0.05),
        ((97, 13, 31), 0.1),
        ((97, 13, 31), 0.5),
        ((1000, 7, 7, 3), 0.2),
        ((10, 20, 30, 41), 0.07),
    ],
)
def test_a_stratified_part_has_the_counts_of_scikit_learn(
    sizes: tuple[int, ...], share: float
) -> None:
    labels = labels_of(sizes)
    images = Images(torch.zeros((len(labels), 1, 1, 1), dtype=torch.uint8), labels)
    train, held = split(images, share, torch.Generator().manual_seed(0))
    assert held is not None
    splitter = StratifiedShuffleSplit(1, test_size=share, random_state=1)
    their_train, their_held = next(splitter.split(labels, labels))
    assert (len(train), len(held)) == (len(their_train), len(their_held))

    # Classes of one size may exchange their counts: which of them gets one more is drawn.
    def by_size(chosen: Tensor) -> Counter[tuple[int, int]]:
        counts = torch.bincount(chosen, minlength=len(sizes)).tolist()
        return Counter(zip(sizes, counts, strict=True))

    assert by_size(held.labels) == by_size(labels[their_held])
    assert by_size(train.labels) == by_size(labels[their_train])


def test_classes_that_tie_for_an_image_draw_lots() -> None:
    labels = labels_of((50,) * 5)
    images = Images(torch.zeros((250, 1, 1, 1), dtype=torch.uint8), labels)
    more = set()
    for seed in range(20):
        _, held = split(images, 0.05, torch.Generator().manual_seed(seed))
        assert held is not None
        counts = torch.bincount(held.labels, minlength=5)
        assert counts.tolist().count(3) == 3 and counts.sum() == 13
        more |= set((counts == 3).nonzero().flatten().tolist())
    assert more == set(range(5))


def test_too_few_images_are_not_split_and_a_class_keeps_one() -> None:
    few = Images(torch.zeros((18, 1, 1, 1), dtype=torch.uint8), labels_of((9, 9)))
    assert split(few, 0.05, torch.Generator().manual_seed(0)) == (few, None)
    for seed in range(10):
        lone = Images(torch.zeros((7, 1, 1, 1), dtype=torch.uint8), labels_of((3, 3, 1)))
        train, held = split(lone, 0.4, torch.Generator().manual_seed(seed))
        assert held is not None
        assert set(train.labels.tolist()) == {0, 1, 2}

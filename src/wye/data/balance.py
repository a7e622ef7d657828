"""What is done about classes of unequal size."""

from __future__ import annotations

import torch
from torch import Tensor

from wye.data.images import Images
from wye.data.storage import StoredPixels, in_gb, memory_share
from wye.data.subset import members_by_class
from wye.errors import UsageError
from wye.streams import Streams

NEIGHBOURS = 5
"""Nearest neighbours of its class that a point may be joined to by SMOTE."""


def balanced(images: Images, how: str, streams: Streams) -> Images:
    """Training images with the smaller classes filled up to the largest one.

    Args:
        how: as in `data.balance`; `none` and `weighted`, which is done epoch by epoch, leave the
            images as they are.

    Raises:
        UsageError: see `smote`.
    """
    labels = images.labels
    if how == "oversample":
        return images.take(oversampled(labels, streams.generator("subset", "oversample")))
    if how == "draw":
        return images.take(drawn(labels, streams.generator("subset", "draw")))
    if how == "smote":
        pixels = images.pixels
        if isinstance(pixels, StoredPixels):
            raise UsageError(
                "data.balance=smote looks at all images at once, and these are more than WYE_MEMORY"
                f" lets into memory ({in_gb(memory_share())}); data.balance=oversample repeats"
                " images, and WYE_MEMORY=90%, say, lets more in"
            )
        flat = pixels.flatten(1).float()
        values, new_labels = smote(flat, labels, streams.seed_of("subset", "smote"))
        synthetic = values.view(-1, *pixels.shape[1:])
        if pixels.dtype == torch.uint8:
            synthetic = synthetic.round_().to(torch.uint8)
        return Images(torch.cat([pixels, synthetic]), torch.cat([labels, new_labels]))
    return images


def oversampled(labels: Tensor, generator: torch.Generator) -> Tensor:
    """Indices that hold every image once and those of smaller classes as often as it takes.

    Whole copies first, then a draw without replacement: with half as many images as the largest
    class each is there twice, as in study S0.
    """
    largest = int(torch.bincount(labels).max())
    chosen = []
    for _, members in members_by_class(labels):
        copies, rest = divmod(largest, len(members))
        again = members[torch.randperm(len(members), generator=generator)[:rest]]
        chosen += [members.repeat(copies), again]
    return torch.cat(chosen).sort().values


def drawn(labels: Tensor, generator: torch.Generator) -> Tensor:
    """Indices that hold every image once, and more of smaller classes drawn with replacement.

    As imbalanced-learn's RandomOverSampler does it (study S1).
    """
    largest = int(torch.bincount(labels).max())
    chosen = []
    for _, members in members_by_class(labels):
        lacking = largest - len(members)
        again = torch.randint(len(members), (lacking,), generator=generator)
        chosen += [members, members[again]]
    return torch.cat(chosen).sort().values


def weighted_order(labels: Tensor, generator: torch.Generator) -> Tensor:
    """As many indices as there are labels, drawn with replacement, every class as often.

    Each image weighs the inverse of the size of its class, as for PyTorch's WeightedRandomSampler.
    """
    weights = 1 / torch.bincount(labels).double()[labels]
    return torch.multinomial(weights, len(labels), replacement=True, generator=generator)


def smote(values: Tensor, labels: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Synthetic points that fill the smaller classes up to the largest (Chawla et al. 2002).

    Each lies at a random place between a point and one of its five nearest neighbours of the same
    class, or as many as the smallest class has. It is imbalanced-learn's SMOTE.

    Args:
        values: pixels or latent codes, float32 `(N, K)`.
        labels: int64 `(N,)`.
        seed: decides all draws.

    Returns:
        The new points alone, float32 `(M, K)`, and their labels `(M,)`, on the device of `values`.

    Raises:
        UsageError: imbalanced-learn is not installed, or a smaller class has a single point.
    """
    try:
        from imblearn.over_sampling import SMOTE
    except ImportError:
        raise UsageError(
            "SMOTE needs imbalanced-learn, which is not installed: pip install 'wye[resampling]'"
        ) from None
    sizes = torch.bincount(labels)
    small = sizes[(sizes > 0) & (sizes < sizes.max())]
    if not len(small):
        return values[:0], labels[:0]
    least = int(small.min())
    if least == 1:
        raise UsageError(
            "SMOTE joins an image to others of its class, and the smallest class has one training"
            " image alone; data.balance=oversample repeats it"
        )
    sampler = SMOTE(k_neighbors=min(NEIGHBOURS, least - 1), random_state=seed % 2**32)
    filled, filled_labels = sampler.fit_resample(values.cpu().numpy(), labels.cpu().numpy())
    new = torch.from_numpy(filled[len(values) :]).to(values)
    return new, torch.from_numpy(filled_labels[len(values) :]).to(labels)

"""Batches: drawn, augmented and normalised as whole tensors, without worker processes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from wye.batch import Batch
from wye.data.balance import weighted_order
from wye.data.images import Images
from wye.data.prepare import Prepared
from wye.data.transforms import Transform
from wye.data.transforms_geometry import choose, resize
from wye.streams import Streams

_EVALUATED = 500
_EVALUATED_AREA = 500 * 32 * 32


def training_batches(
    data: Prepared,
    batch_size: int,
    streams: Streams,
    epoch: int,
    image_size: int | None = None,
    steps: int | None = None,
    unlabelled: int = 0,
    drop_last: bool = False,
) -> Iterator[Batch]:
    """One epoch of shuffled, augmented batches.

    Order, augmentation and corruption depend on the streams and the epoch alone, and those of the
    labelled images not on how many without a label there are. Where `data.augmented_target` is
    false the target is the image before augmentation, under `data.view` if there is one, which
    brings it to the size of the input.

    Args:
        image_size: side that the augmented images are resized to; their own if None.
        steps: how many batches, all of them full; one pass over the images if None.
        unlabelled: images of `data.pool` that follow the labelled ones in each batch.
        drop_last: leave out a last batch that isn't full.
    """
    images, device = data.train, data.train.pixels.device
    count = min(steps_per_epoch(len(images), batch_size, drop_last) * batch_size, len(images))
    count = count if steps is None else steps * batch_size
    order = _order(data, count, streams.generator("order", epoch))
    augmentation = streams.generator("augmentation", epoch, device=device)
    noise = streams.generator("noise", "input", epoch, device=device)
    mirrored = _mirrored(data, images, streams, epoch)
    drawn = _drawn(data, images, order.split(batch_size), mirrored, augmentation, noise, image_size)
    if not unlabelled:
        yield from drawn
        return
    assert data.pool is not None
    none = torch.full((len(data.pool),), -1, device=device)
    pool = Images(data.pool, none)
    count = -(-count // batch_size) * unlabelled
    order = _shuffled(len(pool), count, streams.generator("order", "unlabelled", epoch))
    augmentation = streams.generator("augmentation", "unlabelled", epoch, device=device)
    noise = streams.generator("noise", "unlabelled", epoch, device=device)
    mirrored = _mirrored(data, pool, streams, epoch, "unlabelled")
    others = _drawn(data, pool, order.split(unlabelled), mirrored, augmentation, noise, image_size)
    for batch, other in zip(drawn, others, strict=True):
        inputs = torch.cat([batch.inputs, other.inputs])
        same = batch.targets is batch.inputs
        targets = inputs if same else torch.cat([batch.targets, other.targets])
        noisy = None
        if batch.noisy is not None and other.noisy is not None:
            noisy = torch.cat([batch.noisy, other.noisy])
        yield Batch(inputs, targets, batch.labels, noisy)


def _drawn(
    data: Prepared,
    images: Images,
    order: Iterable[Tensor],
    mirrored: Tensor | None,
    augmentation: torch.Generator,
    noise: torch.Generator,
    image_size: int | None,
) -> Iterator[Batch]:
    """The batches whose indices `order` gives, augmented and corrupted.

    Args:
        mirrored: for each of the images whether left and right are exchanged first.
    """
    for indices in order:
        indices = indices.to(images.pixels.device)
        pixels = images.pixels[indices]
        if mirrored is not None:
            pixels = choose(mirrored[indices], pixels.flip(3), pixels)
        pair = [pixels]
        if data.augment is not None:
            pair = [data.augment(pixels, augmentation)]
            if not data.augmented_target:
                view = data.view
                pair.append(pixels if view is None else view(pixels, augmentation))
        if image_size is not None:
            pair = [resize(each, augmentation, image_size) for each in pair]
        batch = _batch(data, pair[0], pair[-1], images.labels[indices], data.corrupt, noise)
        if data.corrupt_in == "decoder":
            clean = _batch(data, pair[0], pair[-1], batch.labels, None, noise)
            batch = clean._replace(noisy=batch.inputs)
        yield batch


def evaluation_batches(
    data: Prepared,
    images: Images,
    batch_size: int,
    streams: Streams,
    part: str,
    corrupt: Transform | None = None,
) -> Iterator[Batch]:
    """The images of `part` in order, not augmented, under `data.view` if there is one.

    A corruption is the same at every call.

    Args:
        corrupt: of the inputs; as `data` has it if None.
    """
    noise = streams.generator("noise", part, device=images.pixels.device)
    if corrupt is None and data.corrupt_in == "everywhere":
        corrupt = data.corrupt
    for pixels, labels in zip(
        images.pixels.split(batch_size), images.labels.split(batch_size), strict=True
    ):
        seen = pixels if data.view is None else data.view(pixels, noise)
        yield _batch(data, seen, seen, labels, corrupt, noise)


def evaluation_batch_size(shape: tuple[int, int, int]) -> int:
    """Images of a batch where nothing is trained: 500 up to 32 px, 10 at 224 px.

    Args:
        shape: `(C, H, W)` of one image, `data.shape`.
    """
    return max(min(_EVALUATED, _EVALUATED_AREA // (shape[1] * shape[2])), 1)


def steps_per_epoch(images: int, batch_size: int, drop_last: bool = False) -> int:
    """Batches of an epoch; a last batch of a single image is left out.

    Batch normalisation cannot measure a variance on one image.

    Args:
        drop_last: leave out any last batch that isn't full, unless it is the only one.
    """
    full, rest = divmod(images, batch_size)
    return max(full + (rest > 1 and not drop_last), 1)


def _order(data: Prepared, count: int, generator: torch.Generator) -> Tensor:
    """`count` of the labelled images, in passes that go over each once or draw them by weight."""
    if not data.weighted:
        return _shuffled(len(data.train), count, generator)
    labels = data.train.labels.cpu()
    passes = -(-count // len(labels))
    return torch.cat([weighted_order(labels, generator) for _ in range(passes)])[:count]


def _shuffled(images: int, count: int, generator: torch.Generator) -> Tensor:
    passes = -(-count // images)
    return torch.cat([torch.randperm(images, generator=generator) for _ in range(passes)])[:count]


def _mirrored(
    data: Prepared, images: Images, streams: Streams, epoch: int, *position: str
) -> Tensor | None:
    """For each image, whether this epoch mirrors it: a random half, and the others in the next.

    Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU" (2024, arXiv 2404.00498).
    """
    if not data.alternate_flip:
        return None
    device = images.pixels.device
    generator = streams.generator("augmentation", "side", *position, device=device)
    side = torch.rand(len(images), generator=generator, device=device) < 0.5
    return side ^ (epoch % 2 == 0)


def _batch(
    data: Prepared,
    pixels: Tensor,
    target: Tensor,
    labels: Tensor,
    corrupt: Transform | None,
    noise: torch.Generator,
) -> Batch:
    layout = torch.channels_last
    seen = pixels if corrupt is None else corrupt(pixels, noise)
    inputs = data.inputs.apply(seen).contiguous(memory_format=layout)
    if seen is target and data.targets is data.inputs:
        return Batch(inputs, inputs, labels)
    return Batch(inputs, data.targets.apply(target).contiguous(memory_format=layout), labels)

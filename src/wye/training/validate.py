"""The terms of the objective on images that are not trained on."""

from __future__ import annotations

import torch

from wye.data.batches import evaluation_batch_size, evaluation_batches
from wye.data.images import Images
from wye.data.prepare import Prepared
from wye.network.build import Network
from wye.streams import Streams
from wye.training.objective import Objective
from wye.training.running_means import RunningMeans, correctly_classified


@torch.inference_mode()
def validate(
    network: Network,
    objective: Objective,
    data: Prepared,
    images: Images,
    part: str,
    streams: Streams,
) -> dict[str, float]:
    """Mean terms, weighted sum (`loss`) and accuracy of `images`, in inference mode.

    Args:
        part: `validation` or `test`; names the stream of a corruption and of the jigsaw's orders,
            which are thus the same at every epoch.
    """
    network.eval()
    means = RunningMeans()
    noise = streams.generator("noise", "jigsaw", part, device=images.pixels.device)
    size = evaluation_batch_size(data.shape)
    for batch in evaluation_batches(data, images, size, streams, part):
        terms, output = objective(network, batch, noise)
        means.add(terms, correctly_classified(output.logits, batch.labels), batch)
    return means.values()

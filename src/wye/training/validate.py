"""The terms of the objective on images that are not trained on."""

from __future__ import annotations

import torch

from wye.data.batches import evaluation_batches
from wye.data.images import Images
from wye.data.prepare import Prepared
from wye.network.build import Network
from wye.streams import Streams
from wye.training.objective import Objective
from wye.training.precision import multiplying_in
from wye.training.tally import Tally

BATCH = 500


@torch.inference_mode()
def validate(
    network: Network,
    objective: Objective,
    data: Prepared,
    images: Images,
    part: str,
    streams: Streams,
    precision: str,
) -> dict[str, float]:
    """Mean terms, weighted sum (`loss`) and accuracy of `images`, in inference mode.

    Args:
        part: `validation` or `test`; names the stream of a corruption, which is thus the same at
            every epoch.
    """
    network.eval()
    tally = Tally()
    for batch in evaluation_batches(data, images, BATCH, streams, part):
        with multiplying_in(precision, images.pixels.device):
            output = network(batch.inputs)
        tally.add(
            objective(network, output, batch.targets, batch.labels), output.logits, batch.labels
        )
    return tally.means()

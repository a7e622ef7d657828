"""The gradients of one step, of this process or of several together."""

from __future__ import annotations

import torch
from torch import Tensor

from wye.data.batches import Batch
from wye.network.build import Network
from wye.network.layers import show_part
from wye.training.objective import Objective
from wye.training.ranks import Ranks
from wye.training.running_means import correctly_classified


def leave_gradients(
    network: Network, objective: Objective, batch: Batch, noise: torch.Generator, ranks: Ranks
) -> tuple[dict[str, Tensor], Tensor | None]:
    """Leave the gradients of the objective on a batch in the network's parameters.

    Args:
        batch: of all processes together.
        noise: orders the tiles of the jigsaw.
        ranks: each computes with its part, and all end with the same gradients.

    Returns:
        The named terms with `loss`, their weighted sum, and how many images were correctly
        classified if any; of the whole batch.
    """
    part = ranks.part_of(batch)
    if part is None:
        terms, output = objective(network, batch, noise)
        terms["loss"].backward()
        return terms, correctly_classified(output.logits, batch.labels)
    show_part(network, part)
    terms, output = objective(network, batch, noise, part)
    terms["loss"].backward()
    values = list(terms.values())
    right = correctly_classified(output.logits, part.take(batch.labels))
    if right is not None:
        values.append(right / part.ranks if part.repeated else right)
    sums = ranks.add_up(network.parameters(), values)
    return dict(zip(terms, sums, strict=False)), None if right is None else sums[-1]

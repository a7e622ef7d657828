"""What a person should know of a finished run on own images: signs that little was learned."""

from __future__ import annotations

import math
from typing import Any

FEW_UPDATES = 100
"""Below which hardly any network has learned."""
ABSURD = 10.0
"""Squared error of normalised images, where a decoder that gives nothing has about 1."""


def remarks(result: dict[str, Any]) -> list[str]:
    """Each sign that is there, a sentence each.

    Args:
        result: `result.json`.
    """
    found = []
    test = result["test"]
    if (steps := result.get("steps") or FEW_UPDATES) < FEW_UPDATES:
        found.append(
            f"training made {steps} updates, and fewer than {FEW_UPDATES} hardly teach a network;"
            " more train.epochs or a smaller train.batch_size make more"
        )
    confusion = test.get("confusion")
    if confusion and len(confusion) > 1:
        given = [sum(row[place] for row in confusion) for place in range(len(confusion))]
        total = sum(given)
        most = max(map(sum, confusion)) / total
        if max(given) == total:
            name = list(test["per_class"])[given.index(total)]
            found.append(f"the network names one class only, {name}, whatever it is shown")
        elif test["accuracy"] <= most:
            found.append(
                f"accuracy is no better than always naming the most frequent class"
                f" ({100 * most:.1f} %)"
            )
        if (test.get("cross_entropy") or 0) > max(5.0, 3 * math.log(len(confusion))):
            found.append(
                f"the cross-entropy of {test['cross_entropy']:.3g} is far above that of guessing:"
                " a lower train.lr may help"
            )
    squared = (result.get("train") or {}).get("reconstruction") or 0
    if squared > ABSURD:
        found.append(
            f"the reconstruction error of {squared:.3g} in training is far above that of a grey"
            " image: a lower train.lr may help"
        )
    return found

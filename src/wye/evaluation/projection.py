"""Codes in two dimensions, to be looked at."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Method = Literal["pca", "umap"]


def in_two(codes: NDArray[Any], method: Method | None = None) -> tuple[NDArray[np.float64], Method]:
    """Codes `(N, K)` as points `(N, 2)`, and how they were found.

    Args:
        method: `pca`, the two directions in which the codes vary most, or `umap`, which keeps
            neighbours together; if not given, UMAP where umap-learn is installed and there are
            codes enough.

    Raises:
        ImportError: UMAP was asked for and is not installed.
    """
    if method != "pca" and len(codes) > 15:
        try:
            from umap import UMAP  # type: ignore[import-not-found,unused-ignore]
        except ImportError:
            if method == "umap":
                raise
        else:
            points = UMAP(random_state=0, n_jobs=1).fit_transform(codes)
            return np.asarray(points, np.float64), "umap"
    centred = codes.astype(np.float64) - codes.mean(0, dtype=np.float64)
    # By the smaller of the two products: for 2,000 codes of 12,288 values that takes a fifth of the
    # time of their singular value decomposition.
    few = len(centred) <= centred.shape[1]
    values, vectors = np.linalg.eigh(centred @ centred.T if few else centred.T @ centred)
    leading, size = vectors[:, :-3:-1], values[:-3:-1].clip(0)
    found = leading * np.sqrt(size) if few else centred @ leading
    points = np.zeros((len(codes), 2))
    points[:, : found.shape[1]] = found
    return points, "pca"

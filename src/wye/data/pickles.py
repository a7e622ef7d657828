"""Pickles from elsewhere, read without the power to run anything."""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np


def _encode(text: str, encoding: str) -> bytes:
    """What Python 3 writes for bytes in the old protocols."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"bytes in the encoding {encoding!r}")
    return text.encode("latin1")


class _ArraysOnly(pickle.Unpickler):
    """Knows the plain types and what numpy needs to rebuild an array; nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        rebuild: Any = np.empty(0).__reduce__()[0]  # its module depends on the version of numpy
        admitted: dict[tuple[str, str], Any] = {
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): np.dtype,
            ("numpy.core.multiarray", "_reconstruct"): rebuild,
            ("numpy._core.multiarray", "_reconstruct"): rebuild,
            ("_codecs", "encode"): _encode,
        }
        if (module, name) not in admitted:
            raise pickle.UnpicklingError(f"refused: the pickle asks for {module}.{name}")
        return admitted[module, name]


def load_arrays(data: bytes) -> Any:
    """The arrays, lists, tuples, dictionaries, texts, bytes and numbers in a pickle.

    Text of Python 2 is read as latin-1.

    Raises:
        pickle.UnpicklingError: the pickle holds anything else, or is damaged.
    """
    try:
        return _ArraysOnly(io.BytesIO(data), encoding="latin1").load()
    except pickle.UnpicklingError:
        raise
    except Exception as error:  # a damaged pickle can fail in any way
        raise pickle.UnpicklingError(f"damaged pickle ({error!r})") from error

"""Pickles from elsewhere, read without the power to run anything or to take more than they hold."""

from __future__ import annotations

import io
import pickle
import re
from typing import Any

import numpy as np

from wye.data.archives import MOST

_NUMBERS = re.compile(r"[biuf][1248]")


class _Array(np.ndarray[Any, Any]):
    """What a pickled array begins as: it takes its numbers from `__setstate__`, checked."""

    spend: Any = None

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, fortran, values = state
        if not isinstance(kind, _Kind) or not isinstance(values, bytes | str):
            raise pickle.UnpicklingError("refused: an array of something else than numbers")
        self.spend(len(values))
        self.spend = None  # which would keep all of the pickle
        given: Any = (1, shape, kind.dtype, bool(fortran), values)
        super().__setstate__(given)


class _Kind:
    """The type of an array's numbers."""

    def __init__(self, code: str, align: Any = False, copy: Any = False) -> None:
        if not isinstance(code, str) or not _NUMBERS.fullmatch(code):
            raise pickle.UnpicklingError("refused: an array of something else than numbers")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: Any) -> None:
        if state[1] not in ("<", ">", "|", "=") or any(part is not None for part in state[2:5]):
            raise pickle.UnpicklingError("refused: an array of something else than numbers")
        self.dtype = self.dtype.newbyteorder(state[1])


# The one in C makes room for whatever number a pickle gives a value: 5 bytes take all memory.
class _ArraysOnly(pickle._Unpickler):
    """Knows the plain types and what numpy needs to rebuild an array; nothing else."""

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data), encoding="latin1")
        self._spent = 0

    def find_class(self, module: str, name: str) -> Any:
        admitted: dict[tuple[str, str], Any] = {
            ("numpy", "ndarray"): None,
            ("numpy", "dtype"): _Kind,
            ("numpy.core.multiarray", "_reconstruct"): self._array,
            ("numpy._core.multiarray", "_reconstruct"): self._array,
            ("_codecs", "encode"): self._encode,
        }
        if (module, name) not in admitted:
            raise pickle.UnpicklingError(f"refused: the pickle asks for {module}.{name}")
        return admitted[module, name]

    def _spend(self, size: int) -> None:
        """Count what is made: a pickle can name the same bytes again and again."""
        self._spent += size
        if self._spent > MOST:
            raise pickle.UnpicklingError(f"its arrays have more than {MOST / 1e6:.0f} MB")

    def _array(self, kind: None, shape: Any, code: Any) -> _Array:
        """An array that has no numbers yet, whatever is asked for."""
        made = _Array(0, np.uint8)
        made.spend = self._spend
        return made

    def _encode(self, text: str, encoding: str) -> bytes:
        """What Python 3 writes for bytes in the old protocols."""
        if encoding != "latin1":
            raise pickle.UnpicklingError(f"bytes in the encoding {encoding!r}")
        self._spend(len(text))
        return text.encode("latin1")


def load_arrays(data: bytes) -> Any:
    """The arrays, lists, tuples, dictionaries, texts, bytes and numbers in a pickle.

    Text of Python 2 is read as latin-1. Arrays are of numbers.

    Raises:
        pickle.UnpicklingError: the pickle holds anything else, or is damaged.
    """
    try:
        return _ArraysOnly(data).load()
    except pickle.UnpicklingError:
        raise
    except Exception as error:  # a damaged pickle can fail in any way
        raise pickle.UnpicklingError(f"damaged pickle ({error!r})") from error

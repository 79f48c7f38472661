"""CIFAR-100's files without the danger of pickle: bytes, lists and text, and no code."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


class _Kind:
    """Stands for ``numpy.dtype``."""

    def __init__(self, code: str, *_: int) -> None:
        self.code = code

    def __setstate__(self, state: Any) -> None:
        """Byte order and the like: single bytes have none."""


class _Array:
    """Stands for ``numpy.ndarray``, which does not check what it is rebuilt from."""

    content: NDArray[np.uint8]

    def __init__(self, *_: Any) -> None:
        """Empty at first, as NumPy's own; ``__setstate__`` brings the content."""

    def __setstate__(self, state: tuple[int, tuple[int, ...], _Kind, bool, str | bytes]) -> None:
        _, shape, kind, by_column, raw = state
        if kind.code != "u1":
            raise pickle.UnpicklingError(f"it holds an array of {kind.code!r} instead of bytes")
        raw = raw.encode("latin1") if isinstance(raw, str) else raw
        self.content = np.frombuffer(raw, np.uint8).reshape(shape, order="F" if by_column else "C")


STAND_INS = {
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy", "ndarray"): None,
    ("numpy", "dtype"): _Kind,
}


class _BytesOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Stand-ins for what CIFAR-100's files name; any other name could run any code, so it is refused."""
        if (module, name) not in STAND_INS:
            raise pickle.UnpicklingError(f"it wants to call {module}.{name}, which data never does")
        return STAND_INS[module, name]


def load(path: Path) -> dict[str, Any]:
    """The dictionary in a file of CIFAR-100, whose text Python 2 wrote.

    Raises:
        pickle.UnpicklingError: the file would run code, or is no such dictionary. A damaged file
            may raise anything else.
    """
    with path.open("rb") as file:
        loaded = _BytesOnly(file, encoding="latin1").load()
    if not isinstance(loaded, dict):
        raise pickle.UnpicklingError("it holds no dictionary")
    return {k: v.content if isinstance(v, _Array) else v for k, v in loaded.items()}

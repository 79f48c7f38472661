"""CIFAR-100's files without the danger of pickle: arrays, lists and text, and no code."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

# How NumPy builds an empty array before its contents are put in; its module moved in NumPy 2.
_reconstruct: Callable[..., Any] = np.empty(0).__reduce__()[0]  # type: ignore[assignment]


def _dtype(kind: str, align: int, copy: int) -> np.dtype[Any]:
    """As Python 2 wrote it, with 0 and 1 for what NumPy now wants as a bool."""
    return np.dtype(kind, align=bool(align), copy=bool(copy))


ALLOWED: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): _dtype,
}


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """The few callables that CIFAR-100's files name; any other could do anything."""
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it wants to call {module}.{name}, which data never does")
        return ALLOWED[module, name]


def load(path: Path) -> dict[str, Any]:
    """The dictionary in a file of CIFAR-100, whose text Python 2 wrote.

    Raises:
        pickle.UnpicklingError: the file would run code, or is no such dictionary. A damaged file
            may raise anything else.
    """
    with path.open("rb") as file:
        content = _ArraysOnly(file, encoding="latin1").load()
    if not isinstance(content, dict):
        raise pickle.UnpicklingError("it holds no dictionary")
    return content

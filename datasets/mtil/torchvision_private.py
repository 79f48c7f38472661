"""The attributes of torchvision's data sets that the readers need and torchvision keeps private.

torchvision may rename them in any release. Nothing else reads them, and each has a test of its own
(``tests/test_torchvision_private.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torchvision import datasets as tv

from cl_bench.benchmark.errors import UserError

TESTED = "0.29"


def image_files(data: Any) -> list[Path]:
    """The image files of ``FGVCAircraft``, ``DTD``, ``Food101`` and ``Flowers102``, in order."""
    with _expected(data, "_image_files"):
        return [Path(path) for path in data._image_files]


def images_of_pets(data: tv.OxfordIIITPet) -> list[Path]:
    """The image files of ``OxfordIIITPet``, in order."""
    with _expected(data, "_images"):
        return [Path(path) for path in data._images]


def labels(data: Any) -> NDArray[np.int64]:
    """[N], the classes of the data sets above and of ``OxfordIIITPet``, from 0."""
    with _expected(data, "_labels"):
        return np.array([int(label) for label in data._labels], dtype=np.int64)


def samples_of_cars(data: tv.StanfordCars) -> tuple[list[Path], NDArray[np.int64]]:
    """The image files of ``StanfordCars`` and their classes [N], from 0."""
    with _expected(data, "_samples"):
        pairs = [(Path(path), int(label)) for path, label in data._samples]
    return [path for path, _ in pairs], np.array([label for _, label in pairs], dtype=np.int64)


def unchecked_flowers() -> type[tv.Flowers102]:
    """``Flowers102`` that takes any files, also those of a subset, whose checksums differ."""
    with _expected(tv.Flowers102, "_file_dict"):
        names = {part: (name, None) for part, (name, _) in tv.Flowers102._file_dict.items()}
    return type("Flowers102", (tv.Flowers102,), {"_file_dict": names})


@contextmanager
def _expected(owner: Any, attribute: str) -> Iterator[None]:
    """Raise a UserError where ``attribute`` is gone or holds something else than it did."""
    try:
        yield
    except (AttributeError, TypeError, ValueError) as error:
        name = (owner if isinstance(owner, type) else type(owner)).__name__
        raise UserError(
            f"torchvision {version('torchvision')} has changed {name}.{attribute}, which cl-bench "
            f"reads; install torchvision {TESTED}, with which cl-bench is tested"
        ) from error

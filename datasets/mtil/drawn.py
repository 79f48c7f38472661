"""The three splits that MTIL draws: frozen as index files, and the rule they were drawn by.

ZSCL splits Caltech101, EuroSAT and SUN397 80/20 with ``random_split`` and seed 42, over all images in
torchvision's order. For SUN397 torchvision's order is the file system's (``Path.rglob``), so that
published runs on different machines had different splits; here the images are ordered by their path.
"""

from __future__ import annotations

import hashlib
import io
import json
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import random_split

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.mtil.layout import FOLDER

SEED = 42
SPLITS = FOLDER / "splits"


def frozen() -> dict[str, Any]:
    """Per drawn split, how many images it is for and its file's SHA-256 (``splits.json``)."""
    loaded: dict[str, Any] = json.loads((SPLITS / "splits.json").read_text())
    return loaded


def held_out(dataset: str, images: int) -> NDArray[np.int64]:
    """The sorted indices of the test images among ``images`` images in order.

    Read from the index file for the full data set; by the rule for data of another size.

    Raises:
        UserError: the index file is not the one that was frozen.
    """
    known = frozen()[dataset]
    if images != known["images"]:
        return by_rule(images)
    path = SPLITS / f"{dataset}.npy"
    content = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(content).hexdigest() != known["sha256"]:
        raise UserError(
            f"{path} is damaged: its SHA-256 is not {known['sha256']}; install cl-bench again"
        )
    indices: NDArray[np.int64] = np.load(io.BytesIO(content), allow_pickle=False).astype(np.int64)
    return indices


def by_rule(images: int) -> NDArray[np.int64]:
    """The sorted test indices that ``random_split`` draws, 80/20, with seed 42."""
    train = int(0.8 * images)
    generator = torch.Generator().manual_seed(SEED)
    _, test = random_split(range(images), [train, images - train], generator=generator)  # type: ignore[arg-type, var-annotated]
    return np.sort(np.asarray(test.indices, dtype=np.int64))

"""What the q, k, v and o of a CLIP are called, where a tensor holds those of a whole tower."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor


def place(tower: str, i: int) -> str:
    """How the ``i``-th of a tower's q, k, v, o is called: ``<tower>.<block>.<q|k|v|o>``."""
    return f"{tower}.{i // 4}.{'qkvo'[i % 4]}"


def by_place(what: str, statistics: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Statistics of matrices, [4L, ...] per tower, one by one: ``what`` and its place -> [...]."""
    return {
        f"{what} {place(tower, i)}": one
        for tower, of in statistics.items()
        for i, one in enumerate(of)
    }

"""The exponential rule of long-tailed training sets, and who is frequent by it. No torch.

Cui, Jia, Lin, Song and Belongie: Class-balanced loss based on effective number of samples, CVPR 2019: of C
classes, the one of rank c keeps n_max * ratio ** (-c / (C - 1)) images, rounded down.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

ALMOST = 1e-9  # images; 60 / 10 must not become 5 by the last bit of a float


def ranks(count: int, key: str) -> list[int]:
    """The rank of each of ``count`` things, 0 for the most frequent, drawn from a key.

    Python's own generator has drawn the same for a text since 3.2.
    """
    return random.Random(key).sample(range(count), count)


def share(ratio: float, rank: int, count: int) -> float:
    """What the thing of that rank keeps of what the first one keeps: 1 down to 1 / ``ratio``."""
    return float(ratio ** (-rank / (count - 1))) if count > 1 else 1.0


def whole(images: float) -> int:
    """Rounded down to whole images."""
    return math.floor(images + ALMOST)


def long_tailed(available: Sequence[int], ratio: float, ranked: Sequence[int]) -> list[int]:
    """So many images of every class that they follow the rule, as many as there are images for.

    n_max is the largest number with which every class has what is asked of it: of classes with equally many
    images all of those of the first one, else often less.

    Args:
        available: images of every class.
        ratio: of the most frequent class to the least frequent one, at least 1.
        ranked: the rank of every class.

    Returns:
        Images of every class; 0 where the rule leaves less than one.
    """
    shares = [share(ratio, rank, len(available)) for rank in ranked]
    most = min(has / part for has, part in zip(available, shares, strict=True))
    return [whole(most * part) for part in shares]


def largest_ratio(available: Sequence[int], ranked: Sequence[int]) -> float:
    """The largest ratio under which every class keeps an image; each has one or more."""
    last = len(available) - 1
    return min(
        math.pow(has, last / (last - rank))
        for has, rank in zip(available, ranked, strict=True)
        if rank < last
    )

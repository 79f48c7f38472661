"""Many pairs tested at once: Holm's correction (1979)."""

from __future__ import annotations

from collections.abc import Sequence

LEVEL = 0.05  # of significance, for all pairs of a family together


def levels(p: Sequence[float]) -> list[float]:
    """The level at which Holm's procedure judges each p value; it rejects where p <= level.

    The k-th smallest of m is held against LEVEL / (m - k + 1); after the first that is larger than
    its level all others are held against that same level. So an interval drawn at a pair's level
    leaves out 0 exactly where the pair is rejected.
    """
    order = sorted(range(len(p)), key=lambda i: p[i])
    judged = [0.0] * len(p)
    stopped: float | None = None
    for place, i in enumerate(order):
        level = LEVEL / (len(p) - place) if stopped is None else stopped
        judged[i] = level
        if p[i] > level:
            stopped = level
    return judged

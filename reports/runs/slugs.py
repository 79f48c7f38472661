"""Groups as parts of file names, anchors and labels."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from cl_bench.reports.runs.group import Group


def group_slugs(groups: Sequence[Group]) -> list[str]:
    """A name for every group; a number tells apart those with the same words."""
    seen: Counter[str] = Counter()
    slugs = []
    for g in groups:
        slug = safe(f"{g.config.suite.name}-{g.config.order}-{g.config.preset}")
        seen[slug] += 1
        slugs.append(slug if seen[slug] == 1 else f"{slug}-{seen[slug]}")
    return slugs


def safe(words: str) -> str:
    """Words as part of a file name and of an anchor, without a dot: no part reads as a suffix."""
    return re.sub(r"[^A-Za-z0-9+-]+", "_", words)[:120]

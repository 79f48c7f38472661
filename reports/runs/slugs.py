"""Groups as parts of file names, anchors and labels."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from cl_bench.reports.runs.group import Group
from cl_bench.reports.runs.studies import OrderStudy


def group_slugs(groups: Sequence[Group]) -> list[str]:
    """A name for every group; a number tells apart those with the same words."""
    named = (f"{c.suite.name}-{c.order}-{c.preset}" for c in (g.config for g in groups))
    return _numbered(named)


def study_slugs(studies: Sequence[OrderStudy]) -> list[str]:
    """The same for studies of orders."""
    return _numbered(f"{s.config.suite.name}-orders-{s.config.preset}" for s in studies)


def _numbered(names: Iterable[str]) -> list[str]:
    seen: Counter[str] = Counter()
    slugs = []
    for slug in map(safe, names):
        seen[slug] += 1
        slugs.append(slug if seen[slug] == 1 else f"{slug}-{seen[slug]}")
    return slugs


def safe(words: str) -> str:
    """Words as part of a file name and of an anchor, without a dot: no part reads as a suffix."""
    return re.sub(r"[^A-Za-z0-9+-]+", "_", words)[:120]

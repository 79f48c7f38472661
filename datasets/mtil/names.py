"""Class names: as the files have them, as prompts have them, and whether they are as expected."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from cl_bench.datasets.images.listing import Listing
from cl_bench.datasets.mtil.layout import names_in_files, names_in_prompts

SHOWN = 5


def for_prompts(dataset: str, found: Sequence[str]) -> tuple[str, ...]:
    """What prompts call the classes that a data set's files call ``found``.

    A class that the full data set does not have keeps its name, ``_`` as a space.
    """
    known = dict(zip(names_in_files(dataset), names_in_prompts(dataset), strict=True))
    return tuple(known.get(name, name.replace("_", " ")) for name in found)


def check_classnames(dataset: str, listing: Listing) -> list[str]:
    """How a listing's classes differ from the full data set's, in words; empty if they do not."""
    expected, found = names_in_prompts(dataset), listing.classnames
    missing = [name for name in expected if name not in found]
    odd = [name for name in found if name not in expected]
    differences = []
    if missing:
        differences.append(f"{len(missing)} of {len(expected)} classes missing: {_some(missing)}")
    if odd:
        differences.append(f"{_count(odd)} not expected: {_some([_near(n, missing) for n in odd])}")
    in_order = [name for name in expected if name in found]
    if not odd and in_order != list(found):
        i = next(i for i, (a, b) in enumerate(zip(in_order, found, strict=False)) if a != b)
        differences.append(f"classes in another order: class {i} is {found[i]!r}, "
                           f"expected {in_order[i]!r}")  # fmt: skip
    return differences


def _count(names: Sequence[str]) -> str:
    return "1 class" if len(names) == 1 else f"{len(names)} classes"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _near(name: str, missing: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, missing, n=1)
    return f"{name!r} (in the place of {close[0]!r}?)" if close else repr(name)

"""What is there of the MTIL data sets, against what belongs there. No image is decoded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.mtil.layout import facts, missing_files
from cl_bench.datasets.mtil.misplaced import misplaced

State = Literal["found", "missing", "wrong"]


@dataclass(frozen=True)
class Status:
    """One data set on disk.

    Attributes:
        name: of the data set.
        state: ``found`` where it is whole and as expected.
        train: training images found, of ``expected[0]``; ``None`` where it cannot be read.
        test: test images found, of ``expected[1]``.
        classes: found, of ``expected[2]``.
        expected: training images, test images and classes of the published data set.
        notes: what is missing or wrong, in words.
    """

    name: str
    state: State
    train: int | None
    test: int | None
    classes: int | None
    expected: tuple[int, int, int]
    notes: tuple[str, ...]


def status(name: str, root: Path) -> Status:
    """Look at one data set below ``root``."""
    from cl_bench.datasets.mtil.names import check_classnames
    from cl_bench.datasets.mtil.readers import read_both

    known = facts()["datasets"][name]
    expected = (known["train"], known["test"], known["classes"])
    if missing := missing_files(root)[name]:
        if len(missing) == len(known["required"]):
            belongs = f"belongs at {root / known['layout_under_root']}"
            notes = (belongs, *misplaced(name, root))
            return Status(name, "missing", None, None, None, expected, notes)
        lacking = [f"{root / path} is missing" for path in missing]
        notes = (*lacking, *misplaced(name, root))
        return Status(name, "wrong", None, None, None, expected, notes)
    try:
        train, test = read_both(name, root)
    except UserError as error:
        notes = (str(error), *misplaced(name, root))
        return Status(name, "wrong", None, None, None, expected, notes)
    found = (len(train.targets), len(test.targets), len(train.classnames))
    words = ("training images", "test images", "classes")
    notes = tuple(
        f"{have:,} {what} where {want:,} belong"
        for have, want, what in zip(found, expected, words, strict=True)
        if have != want
    )
    if found[2] == expected[2]:
        notes += tuple(check_classnames(name, train))
    elif notes:
        notes += tuple(misplaced(name, root))
    return Status(name, "wrong" if notes else "found", *found, expected, notes)

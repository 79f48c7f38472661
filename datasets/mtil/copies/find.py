"""Copies of a data set below a folder: in class folders, or in Parquet files. No torch."""

from __future__ import annotations

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.mtil.copies.class_folders import class_folders_copy
from cl_bench.datasets.mtil.copies.class_names import are_classes
from cl_bench.datasets.mtil.copies.held import HeldCopy
from cl_bench.datasets.mtil.copies.parquet import classes_of, parquet_copy
from cl_bench.datasets.mtil.given import Given


def held_copy(name: str, given: Given) -> HeldCopy | None:
    """The copy of data set ``name``; class folders come before Parquet files.

    Raises:
        UserError: there are several, or a file is damaged.
    """
    if copy := class_folders_copy(name, given.folder):
        return copy
    found = [
        files for files in given.parquet if are_classes(name, files[0].names or classes_of(files))
    ]
    if len(found) > 1:
        raise UserError(
            f"{found[0][0].top} and {found[1][0].top} both hold it; give --from one of them"
        )
    return parquet_copy(name, found[0]) if found else None


def other_classes(given: Given) -> str:
    """What Parquet files below the folder hold, where it is nothing that is looked for, in words.

    Raises:
        UserError: a file is damaged.
    """
    words = ""
    for files in given.parquet:
        names = sorted(files[0].names or classes_of(files))
        words += f"; the Parquet files in {files[0].top} have {len(names)} classes: {', '.join(names[:3])}"
        words += ", ..." if len(names) > 3 else ""
    return words

"""Image lists: a CSV, TSV or Parquet file with a row per image. No torch."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.own.folders import Files, split
from cl_bench.datasets.own.list_table import ListTable, Row, existing_path, read_table

CLASS_COLUMNS = ("class", "class_name", "label")  # the first that is there
SPLITS = {"train": "train", "training": "train", "test": "test", "testing": "test"}
LEFT_OUT = frozenset({"val", "valid", "validation", "dev"})
_Images = dict[str, list[Path]]  # class -> its files


@dataclass(frozen=True)
class _Line:
    """One image as a row names it; ``part`` is train, test, a split that is left out, or nothing."""

    file: Path
    name: str
    part: str


def read_image_list(path: Path, test_share: float, seed: int) -> Files:
    """Read which image is of which class.

    Args:
        path: ``.csv``, ``.tsv`` or ``.parquet`` with a column ``path`` (relative to the file), a
            column ``class`` (or ``class_name``, or ``label``) and, optionally, ``split``: train or
            test; rows of a validation split are left out and counted.
        test_share: part of every class to hold out where there is no column ``split``.
        seed: decides which.

    Raises:
        UserError: the file cannot be read, lacks a column, or has a row that cannot be used; names
            the row.
    """
    table, lines, remarks = _read(path)
    names = {line.name for line in lines}
    if "split" not in table.columns:
        return split(_of_part(lines, ""), test_share, seed, remarks)
    train, test = _of_part(lines, "train"), _of_part(lines, "test")
    if odd := sorted(names - (train.keys() & test.keys())):
        lacking = "test" if odd[0] in train else "training"
        raise UserError(f"the image list {path} has no {lacking} image of the class {odd[0]!r}")
    return Files(tuple(train), tuple(train.values()), tuple(test.values()), remarks)


def read_test_list(path: Path) -> Files:
    """Read which image is of which class, where all are test images; those of other splits are left out.

    Args:
        path: as of ``read_image_list``; without a column ``split``, every image counts.

    Raises:
        UserError: as of ``read_image_list``; or a class has no test image.
    """
    table, lines, remarks = _read(path)
    test = _of_part(lines, "test" if "split" in table.columns else "")
    if odd := sorted({line.name for line in lines} - test.keys()):
        raise UserError(f"the image list {path} has no test image of the class {odd[0]!r}")
    if learned := sum(line.part == "train" for line in lines):
        remarks += (f"{path.name}: {learned} images of the split 'train' are not used",)
    return Files(tuple(test), tuple([] for _ in test), tuple(test.values()), remarks)


def _read(path: Path) -> tuple[ListTable, list[_Line], tuple[str, ...]]:
    """The table, an image for every row, and what of it is not used."""
    table = read_table(path)
    try:
        column = _column(table, CLASS_COLUMNS)
        lines = [_line(row, path.parent, column, table) for row in table.rows]
        _check_each_once(table.rows, lines)
    except UserError as error:
        raise UserError(f"the image list {path}, {error}") from error
    if len(names := {line.name for line in lines}) < 2:
        raise UserError(f"the image list {path} has {len(names)} classes; a task needs two or more")
    return table, lines, _remarks(path.name, table, column, lines)


def _column(table: ListTable, names: Sequence[str]) -> str:
    """The first of the columns ``names`` that is there, beside the column ``path``."""
    there = [name for name in names if name in table.columns]
    if not there or "path" not in table.columns:
        shown = ", ".join(table.columns)
        raise UserError(f"which has the columns {shown}, needs `path` and `class`")
    for name in ("path", there[0], "split"):
        if name in table.not_plain:
            raise UserError(
                f"whose column {name!r} is of the type {table.not_plain[name]}: write it as text"
            )
    return there[0]


def _line(row: Row, folder: Path, column: str, table: ListTable) -> _Line:
    """One image, or an error that begins with the row's place."""
    if not (name := row.cells[column]):
        raise UserError(f"{row.place}: the column {column!r} is empty; every image has a class")
    file = folder / existing_path(row, folder)
    if "split" not in table.columns:
        return _Line(file, name, "")
    written = row.cells["split"].lower()
    if written not in SPLITS and written not in LEFT_OUT:
        known = ", ".join((*SPLITS, *sorted(LEFT_OUT)))
        raise UserError(f"{row.place}: unknown split {row.cells['split']!r}; known are {known}")
    return _Line(file, name, SPLITS.get(written, written))


def _check_each_once(rows: Sequence[Row], lines: Sequence[_Line]) -> None:
    """Every file stands on one row, whatever way its path is written."""
    seen: dict[str, int] = {}
    for i, line in enumerate(lines):
        first = seen.setdefault(os.path.normpath(line.file), i)
        if first != i:
            before, now = (
                f"{rows[k].place} ({' '.join(filter(None, (lines[k].name, lines[k].part)))})"
                for k in (first, i)
            )
            raise UserError(f"{now}: {rows[i].cells['path']} stands on {before} already")


def _of_part(lines: Sequence[_Line], part: str) -> _Images:
    """The files of one part by class, classes sorted, files in the list's order."""
    found: defaultdict[str, list[Path]] = defaultdict(list)
    for line in lines:
        if line.part == part:
            found[line.name].append(line.file)
    return {name: found[name] for name in sorted(found)}


def _remarks(
    list_name: str, table: ListTable, column: str, lines: Sequence[_Line]
) -> tuple[str, ...]:
    """What of the list is not used."""
    counts = Counter(line.part for line in lines if line.part in LEFT_OUT)
    remarks = [
        f"{list_name}: {n} images of the split {part!r} are not used"
        for part, n in sorted(counts.items())
    ]
    unused = [name for name in table.columns if name not in ("path", column, "split")]
    if unused and ("split" not in table.columns or set(unused) & set(CLASS_COLUMNS)):
        remarks.append(
            f"{list_name}: classes are from the column {column!r}; not used: {', '.join(unused)}"
        )
    return tuple(remarks)

"""A table in a CSV, TSV or Parquet file: every cell a string, every row with its place. No torch."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cl_bench.benchmark.errors import UserError, in_one_line, missing_extra
from cl_bench.benchmark.text_file import read_text
from cl_bench.datasets.images.visible import is_visible

if TYPE_CHECKING:
    import pyarrow as pa

SEPARATORS = {".csv": ",", ".tsv": "\t"}


@dataclass(frozen=True)
class Row:
    """One row.

    Attributes:
        place: where it stands, in words.
        cells: column -> what is written there.
    """

    place: str
    cells: dict[str, str]


@dataclass(frozen=True)
class ListTable:
    """A whole table: every cell as it is written, also one like ``NA`` that other readers take for empty.

    Attributes:
        columns: their names in small letters.
        rows: in the file's order.
        not_plain: Parquet columns that hold neither text nor whole numbers, and what they hold; rows
            have no cells of theirs.
    """

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    not_plain: Mapping[str, str] = field(default_factory=dict)


def read_table(path: Path, what: str = "image list") -> ListTable:
    """Read a table of images.

    Args:
        path: the file.
        what: what it is to the user.

    Raises:
        UserError: the file is missing or damaged, a row has cells too many or too few, or a column
            stands twice.
    """
    kind, called = path.suffix.lower(), f"the {what} {path}"
    if kind not in (*SEPARATORS, ".parquet"):
        raise UserError(f"{called} ends in {kind!r}; known are .csv, .tsv and .parquet")
    if not path.is_file():
        words = "is no file" if path.exists() else "does not exist"
        raise UserError(f"{called} {words}")
    if kind == ".parquet":
        return _of_parquet(path, called)
    text = read_text(path, what)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=SEPARATORS[kind], strict=True)
    try:
        lines = [(reader.line_num, cells) for cells in reader if cells]
    except csv.Error as error:
        raise UserError(f"{called}, line {reader.line_num}: {error}") from error
    if not lines:
        raise UserError(f"{called} is empty")
    columns = _columns(called, lines[0][1])
    rows = tuple(_row(called, f"line {line}", columns, cells) for line, cells in lines[1:])
    return ListTable(columns, rows)


def _columns(called: str, header: list[str]) -> tuple[str, ...]:
    names = tuple(name.strip().lower() for name in header)
    if len(names) == 1:
        raise UserError(
            f"{called} has one column, {names[0]!r}; a .csv has commas between its cells, a "
            ".tsv tabs"
        )
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UserError(f"{called} has two columns {twice!r}; remove or rename one")
    return names


def _row(called: str, place: str, columns: tuple[str, ...], cells: list[str]) -> Row:
    if len(cells) != len(columns):
        raise UserError(
            f"{called}, {place}, has {len(cells)} cells where the header has "
            f"{len(columns)} ({', '.join(columns)}); a cell with a separator in it is quoted"
        )
    return Row(place, dict(zip(columns, cells, strict=True)))


def _of_parquet(path: Path, called: str) -> ListTable:
    try:
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise missing_extra("a Parquet image list", "parquet") from error
    try:
        table = pyarrow.parquet.ParquetFile(path).read()
    except (OSError, pyarrow.ArrowException) as error:
        raise UserError(f"{called} cannot be read: {in_one_line(error)}") from error
    columns = _columns(called, table.column_names)
    kinds = dict(zip(columns, (column.type for column in table.columns), strict=True))
    names = [name for name, kind in kinds.items() if _is_plain(kind)]
    cells = [map(_string, table.columns[columns.index(name)].to_pylist()) for name in names]
    rows = [dict(zip(names, row, strict=True)) for row in zip(*cells, strict=True)]
    return ListTable(
        columns,
        tuple(Row(f"row {i}", row) for i, row in enumerate(rows, start=1)),
        {name: str(kind) for name, kind in kinds.items() if name not in names},
    )


def _is_plain(kind: pa.DataType) -> bool:
    """Whether values are text or whole numbers, written out or by number of a category."""
    import pyarrow.types as types

    plain = kind.value_type if types.is_dictionary(kind) else kind
    known = (types.is_string, types.is_large_string, types.is_integer, types.is_null)
    return any(is_of(plain) for is_of in known)


def _string(value: object) -> str:
    return "" if value is None else str(value)


def existing_path(row: Row, folder: Path, column: str = "path") -> str:
    """What a cell of a row names: an image file below ``folder``, absolute, or outside of it.

    Raises:
        UserError: it is empty, hidden, or there is no such file; begins with the row's place.
    """
    path = row.cells[column]
    if not path:
        raise UserError(f"{row.place}: the column {column!r} is empty")
    if not os.path.isfile(folder / path):  # unlike Path.is_file, never raises
        hint = "; folders are separated by /, not by backslashes" if "\\" in path else ""
        raise UserError(f"{row.place}, names {path!r}, which does not exist{hint}")
    parts = Path(path).parts if not Path(path).is_absolute() else (Path(path).name,)
    if hidden := next((p for p in parts if p != ".." and not is_visible(p)), None):
        raise UserError(f"{row.place}, names {path}: {hidden} is hidden, which is no data")
    return path

"""Image lists: a CSV or Parquet file with a line per image. No torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cl_bench.benchmark.errors import UserError, in_one_line
from cl_bench.datasets.folders import Files, split

if TYPE_CHECKING:
    import pandas as pd

CLASS_COLUMNS = ("class", "class_name", "label")  # the first that is there
SPLITS = {"train": "train", "training": "train", "test": "test"}


def read_image_list(path: Path, test_share: float, seed: int) -> Files:
    """Read which image is of which class.

    Args:
        path: ``.csv`` or ``.parquet`` with a column ``path`` (relative to the file), a column
            ``class`` (or ``class_name``, or ``label``) and, optionally, ``split``: train or test;
            lines of another split are left out.
        test_share: part of every class to hold out where there is no column ``split``.
        seed: decides which.

    Raises:
        UserError: the file cannot be read, lacks a column, or names an image that is missing.
    """
    table = _read(path)
    column = next((name for name in CLASS_COLUMNS if name in table), None)
    if column is None or "path" not in table:
        raise UserError(
            f"the image list {path} has the columns {', '.join(map(str, table))}; it needs `path` and `class`"
        )
    files = [path.parent / name for name in table["path"].astype(str)]
    if missing := next((file for file in files if not file.is_file()), None):
        raise UserError(f"the image list {path} names {missing}, which does not exist")
    table = table.assign(file=files, name=table[column].astype(str))
    if "split" not in table:
        return split(_per_class(table), test_share, seed)
    part = table["split"].astype(str).str.lower().map(SPLITS)
    train, test = (_per_class(table[part == name]) for name in ("train", "test"))
    if odd := sorted(train.keys() ^ test.keys()):
        lacking = "test" if odd[0] in train else "train"
        raise UserError(f"the image list {path} has no {lacking} image of the class {odd[0]!r}")
    return Files(tuple(train), tuple(train.values()), tuple(test.values()))


def _per_class(table: pd.DataFrame) -> dict[str, list[Path]]:
    return {name: list(group["file"]) for name, group in table.groupby("name", sort=True)}


def _read(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    except FileNotFoundError as error:
        raise UserError(f"the image list {path} does not exist") from error
    except Exception as error:  # pandas and its Parquet reader share no base class
        raise UserError(f"the image list {path} cannot be read: {in_one_line(error)}") from error

"""Reference sentences from a file: plain text, Flickr8k's or CC3M's columns, or a table with a header."""

from __future__ import annotations

import csv
import re
from pathlib import Path

from cl_bench.benchmark.errors import UserError

HEADERS = ("caption", "title", "text")
FORMATS = (
    "one caption per line (.txt); `image#n<TAB>caption` or `caption<TAB>url` lines, or a header with "
    "a column called caption, title or text (.tsv, .csv)"
)
MOST_MALFORMED = 0.01  # of the lines; a file with more is taken for another format


def read_captions(path: Path) -> tuple[tuple[str, ...], int]:
    """Read every caption of a file.

    Returns:
        The captions in the file's order, and how many lines had none and were left out.

    Raises:
        UserError: the file is missing, not UTF-8 text, or in none of the known formats.
    """
    try:
        lines = [line for line in path.read_text().splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"the captions file {path} cannot be read: {error}") from error
    kind = path.suffix.lower()
    if kind == ".txt":
        return tuple(line.strip() for line in lines), 0
    if kind not in (".tsv", ".csv"):
        raise UserError(f"the captions file {path} has the ending {kind!r}; known are {FORMATS}")
    # CC3M's captions hold stray quotation marks: between tabs they mean nothing.
    rows = [line.split("\t") for line in lines] if kind == ".tsv" else list(csv.reader(lines))
    column, first = _column(rows[0] if rows else [], path)
    captions = tuple(row[column].strip() for row in rows[first:] if _has_caption(row, column))
    malformed = len(rows) - first - len(captions)
    if malformed > MOST_MALFORMED * len(rows):
        line = next(i for i in range(first, len(rows)) if not _has_caption(rows[i], column)) + 1
        raise UserError(
            f"the captions file {path}: {malformed} of {len(rows)} lines have no caption, the first "
            f"is line {line}; known formats are {FORMATS}"
        )
    return captions, malformed


def _column(row: list[str], path: Path) -> tuple[int, int]:
    """Which column holds captions, and the number of header rows."""
    names = [cell.strip().lower() for cell in row]
    for header in HEADERS:
        if header in names:
            return names.index(header), 1
    if len(row) == 2 and re.search(r"#\d+$", row[0]):
        return 1, 0
    if len(row) == 2 and row[1].startswith("http"):
        return 0, 0
    raise UserError(f"the captions file {path} is in no known format; known are {FORMATS}")


def _has_caption(row: list[str], column: int) -> bool:
    return len(row) > column and bool(row[column].strip())

"""Reference sentences from a file: plain text, columns as data sets have them, or JSON. No torch."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.text_file import read_text
from cl_bench.datasets.extra.captions_json import (
    Entry,
    captions_of_json,
    captions_of_jsonl,
    is_json,
)

HEADERS = ("caption", "title", "text")
FORMATS = (
    "one caption per line (.txt); `image#n<TAB>caption` or `caption<TAB>url` lines, or a header with "
    "a column called caption, title or text (.tsv, .csv); COCO's or Karpathy's JSON or a list (.json), "
    "one string or object per line (.jsonl)"
)
LONGEST = 2000  # characters; CLIP reads the first 77 tokens, and no caption is a page
MOST_MALFORMED = 0.01  # of the entries; a file with more is taken for another format


def read_captions(path: Path) -> tuple[tuple[str, ...], int]:
    """Read every caption of a file.

    Returns:
        The captions in the file's order, and how many entries had none, or one of more than 2,000
        characters, and were left out.

    Raises:
        UserError: the file is missing, no text, or in none of the known formats.
    """
    readers = {
        ".txt": _of_lines,
        ".tsv": _of_tsv,
        ".csv": _of_csv,
        ".json": captions_of_json,
        ".jsonl": captions_of_jsonl,
    }
    kind = path.suffix.lower()
    if kind not in readers:
        raise UserError(f"the captions file {path} has the ending {kind!r}; known are {FORMATS}")
    text = read_text(path, "captions file")
    try:
        return _usable(readers[kind](text))
    except UserError as error:
        raise UserError(f"the captions file {path} {error}") from error


def _usable(entries: list[Entry]) -> tuple[tuple[str, ...], int]:
    captions = [_caption(text) for _, text in entries]
    kept = tuple(caption for caption in captions if caption)
    malformed = len(captions) - len(kept)
    if malformed > MOST_MALFORMED * len(captions):
        first, _ = entries[captions.index(None)]
        raise UserError(
            f"is not understood: {malformed} of {len(captions)} entries have no caption of 1 to "
            f"{LONGEST:,} characters, the first is {first}; known formats are {FORMATS}"
        )
    return kept, malformed


def _caption(text: str | None) -> str | None:
    stripped = (text or "").strip()
    return stripped if 0 < len(stripped) <= LONGEST else None


def _lines(text: str) -> list[tuple[int, str]]:
    """The lines that are not empty, with their numbers."""
    return [(i, line) for i, line in enumerate(text.split("\n"), start=1) if line.strip()]


def _of_lines(text: str) -> list[Entry]:
    """One caption per line; a table or JSON under this ending is named as what it is."""
    if is_json(text):
        raise UserError("holds JSON; give it the ending .json")
    lines = _lines(text)
    for kind, separator in ((".tsv", "\t"), (".csv", ",")):
        cells = lines[0][1].split(separator) if lines else []
        if len(cells) > 1 and _column(cells) is not None:
            raise UserError(f"holds a table, not one caption per line; give it the ending {kind}")
    return [(f"line {i}", line) for i, line in lines]


def _of_tsv(text: str) -> list[Entry]:
    # CC3M's captions hold stray quotation marks: between tabs they mean nothing.
    return _of_rows([(i, line.split("\t")) for i, line in _lines(text)])


def _of_csv(text: str) -> list[Entry]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        return _of_rows([(reader.line_num, row) for row in reader if row])
    except csv.Error as error:
        raise UserError(f"cannot be read: line {reader.line_num}: {error}") from error


def _of_rows(rows: list[tuple[int, list[str]]]) -> list[Entry]:
    place = _column(rows[0][1]) if rows else None
    if place is None:
        raise UserError(f"is in no known format; known are {FORMATS}")
    (column, first), cells = place, len(rows[0][1])
    # A row with cells too many has a separator in its caption: half of it would be read.
    return [(f"line {i}", row[column] if len(row) == cells else None) for i, row in rows[first:]]


def _column(row: list[str]) -> tuple[int, int] | None:
    """Which column holds captions, and the number of header rows."""
    names = [cell.strip().lower() for cell in row]
    for header in HEADERS:
        if header in names:
            return names.index(header), 1
    if len(row) == 2 and re.search(r"#\d+$", row[0]):
        return 1, 0
    if len(row) == 2 and row[1].startswith("http"):
        return 0, 0
    return None

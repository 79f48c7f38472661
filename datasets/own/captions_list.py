"""Captions of a folder of pictures, from a table or lines of JSON. No torch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.text_file import read_text
from cl_bench.benchmark.user_file import first_problem
from cl_bench.datasets.extra.captions_file import LONGEST
from cl_bench.datasets.images.visible import files_below, has_image_name
from cl_bench.datasets.own.list_table import Row, existing_path, read_table
from cl_bench.datasets.task_spec import mark_in

COLUMNS = ("image", "caption")
CALLED = "captions file"

OfPictures = dict[str, list[str]]  # path below the folder of pictures -> its captions


class _Line(BaseModel):
    """A line of JSON."""

    model_config = ConfigDict(extra="forbid", strict=True)

    image: str
    caption: str | Annotated[list[str], Field(min_length=1)]


def read_captions_list(path: Path, folder: Path) -> OfPictures:
    """Every picture's captions, in the order of the file.

    Args:
        path: ``.csv``, ``.tsv`` or ``.parquet`` with the columns ``image`` (below the folder) and
            ``caption``, or ``.jsonl`` with these keys, where a caption may be a list of them.
        folder: of the pictures.

    Raises:
        UserError: the file cannot be read, a row cannot be used, or a picture of the folder has no caption.
    """
    found: OfPictures = {}
    rows = _of_jsonl(path) if path.suffix.lower() == ".jsonl" else _of_table(path)
    for row in rows:
        try:
            picture = _below(existing_path(row, folder, "image"), row.place, folder)
            caption = usable(row.cells["caption"], row.place)
            if caption in found.setdefault(picture, []):
                raise UserError(f"{row.place}: {picture} has the caption {caption!r} already")
        except UserError as error:
            raise UserError(f"the {CALLED} {path}, {error}") from error
        found[picture].append(caption)
    files = {str(f.relative_to(folder)) for f in files_below(folder) if has_image_name(f)}
    if without := sorted(files - found.keys()):
        raise UserError(
            f"the {CALLED} {path} has no caption of {without[0]}, a picture of {folder}: write one, or take the "
            "picture out"
        )
    return found


def _below(path: str, place: str, folder: Path) -> str:
    """One spelling of a picture's path as seen from the folder.

    Raises:
        UserError: its ending is not that of an image that is read; begins with its place.
    """
    if not has_image_name(Path(path)):
        raise UserError(f"{place}, names {path}, whose ending is not that of an image that is read")
    return os.path.relpath(folder / path, folder)


def usable(caption: str, place: str) -> str:
    """A caption without spaces at its ends.

    Raises:
        UserError: it is empty, too long, or would end in the middle; begins with its place.
    """
    text = caption.strip()
    if not 0 < len(text) <= LONGEST:
        raise UserError(f"{place}: a caption has 1 to {LONGEST:,} characters, not {len(text):,}")
    if mark := mark_in(text):
        raise UserError(f"{place}: the caption holds {mark!r}, an end of the text to the tokenizer")
    return text


def _of_table(path: Path) -> Iterator[Row]:
    if path.suffix.lower() == ".json":
        raise UserError(
            f"the {CALLED} {path} ends in '.json': name its layout, flickr30k or coco, or give lines of JSON the "
            "ending .jsonl"
        )
    table = read_table(path, CALLED)
    if sorted(table.columns) != sorted(COLUMNS):
        raise UserError(
            f"the {CALLED} {path} has the columns {', '.join(table.columns)}; it needs image and caption, and no "
            "other is read"
        )
    if table.not_plain:
        raise UserError(f"the {CALLED} {path}: the column {min(table.not_plain)} holds no text")
    yield from table.rows


def _of_jsonl(path: Path) -> Iterator[Row]:
    for number, line in enumerate(read_text(path, CALLED).split("\n"), start=1):
        if not line.strip():
            continue
        place = f"line {number}"
        try:
            said = _Line.model_validate_json(line)
        except ValidationError as error:
            raise UserError(f"the {CALLED} {path}, {place}: {first_problem(error)}") from error
        for caption in [said.caption] if isinstance(said.caption, str) else said.caption:
            yield Row(place, {"image": said.image, "caption": caption})

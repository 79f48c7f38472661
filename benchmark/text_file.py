"""A text file that a user made: its encoding is understood or named, never guessed. No torch."""

from __future__ import annotations

import codecs
from pathlib import Path

from cl_bench.benchmark.errors import UserError

# The marks that editors write first. UTF-32's begins with UTF-16's, so it is looked for before.
MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}


def read_text(path: Path, what: str) -> str:
    r"""The text of a file: UTF-8, or UTF-16 and UTF-32 with a byte-order mark.

    Args:
        path: the file.
        what: what it is to the user, e.g. ``"suite file"``.

    Returns:
        Its text without the mark; every line ends with ``\n``, whatever the file has.

    Raises:
        UserError: it is missing, or holds something that is no text; names the byte and its line.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise UserError(f"the {what} {path} does not exist") from error
    except OSError as error:
        raise UserError(f"the {what} {path} cannot be read: {error.strerror}") from error
    mark = next((mark for mark in MARKS if content.startswith(mark)), b"")
    text = _decoded(content.removeprefix(mark), MARKS.get(mark, "utf-8"), f"the {what} {path}")
    return _lines_ended(text)


def _lines_ended(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _decoded(content: bytes, encoding: str, name: str) -> str:
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = _lines_ended(content[: error.start].decode(encoding)).count("\n") + 1
        raise UserError(
            f"{name} cannot be read: line {line} holds the byte 0x{content[error.start]:02X}, which is "
            f"no {encoding.upper()} text; save the file as UTF-8"
        ) from error
    if "\0" in text:
        line = _lines_ended(text[: text.index("\0")]).count("\n") + 1
        raise UserError(
            f"{name} cannot be read: line {line} holds the byte 0x00, which is no text (UTF-16 without "
            "a byte-order mark?); save the file as UTF-8"
        )
    return text

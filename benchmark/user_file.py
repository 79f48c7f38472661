"""Files and values that a user wrote: read, or refused in one line. No torch."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.text_file import read_text

SHOWN = 200  # characters of a wrong value


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """Read a file that the user wrote.

    Args:
        path: the file.
        what: what it is to the user, e.g. ``"suite file"``.

    Raises:
        UserError: it is missing or not TOML; names it.
    """
    try:
        return tomllib.loads(read_text(path, what))
    except RecursionError as error:
        raise UserError(f"the {what} {path} cannot be read: it is nested too deeply") from error
    except ValueError as error:  # no TOML, or a number of thousands of digits
        raise UserError(f"the {what} {path} cannot be read: {error}") from error


def first_problem(error: ValidationError) -> str:
    """The first thing a validation found, in one line: where, what, and the value given."""
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"])
    given: Any = problem["input"]
    shown = "" if isinstance(given, dict | list | tuple) else f" (given: {_short(given)})"
    words = problem["msg"].removeprefix("Value error, ")
    return f"{where + ': ' if where else ''}{words}{shown}"


def _short(value: Any) -> str:
    """A value as Python writes it, of which a long one has its beginning alone."""
    written = repr(value)
    return written if len(written) <= SHOWN else f"{written[:SHOWN]}…"

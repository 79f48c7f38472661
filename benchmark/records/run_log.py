"""The log of a run, ``events.jsonl``: one event a line, each with a check sum. No torch.

The line that a kill cuts off is the last one and has no end. Any other line that cannot be read is
damaged, and so is what follows from it: it is named, never skipped. A line that is whole and holds no
event, or one with another field, is named with that field.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.records.events import (
    Evaluated,
    Event,
    Resumed,
    Started,
    Step,
    event_of,
)
from cl_bench.benchmark.records.files import read_bounded

TAIL = ', "crc32": "01234567"}'  # the end of a line; the sum is over the line without this key


class NoEventError(UserError):
    """A line of a log is whole, but holds no event, or one that cannot stand there."""


def line_of(fields: Mapping[str, Any]) -> bytes:
    """An event's fields as a line of the log."""
    text = json.dumps(fields).encode()
    return json.dumps({**fields, "crc32": _check(text)}).encode() + b"\n"


def read_log(log: Path) -> list[Event]:
    """Every whole line's event; a line cut off by a kill is left out.

    Raises:
        OSError: there is no log.
        NoEventError: a line holds no event; names it and the field.
        UserError: a line is damaged; names it. Damage is looked for in all lines first.
    """
    lines = [fields for _, fields in _lines(log)]
    version = _version(lines[0]) if lines else 1
    return [_typed(log, number, fields, version) for number, fields in enumerate(lines, start=1)]


def event_in(log: Path, number: int, line: bytes) -> Event:
    """The event of a whole line of a log that is being written.

    Args:
        log: the file, for the message.
        number: of the line, from 1 on.
        line: without its end.

    Raises:
        UserError: the line is damaged or holds no event; names it.
    """
    return _typed(log, number, _checked(log, number, line, False)[0], version=1)


def lines_until(log: Path, learned: int, steps: int = 0) -> list[tuple[bytes, Event]]:
    """The log's lines up to the row after ``learned`` tasks; what follows is not looked at.

    Args:
        log: the file.
        learned: negative: up to the run's first event.
        steps: so many steps of the next task belong to it, too.

    Raises:
        UserError: the log is missing, a line is damaged or holds no event, or the row is not there.
    """
    kept: list[tuple[bytes, Event]] = []
    row_is_there = False
    for line, event in _typed_lines(log):
        if row_is_there and not _is_within(event, steps):
            return kept
        kept.append((line, event))
        row_is_there = row_is_there or _ends(event, learned)
        if row_is_there and steps == 0:
            return kept
    if row_is_there:
        return kept
    row = "the run's beginning" if learned < 0 else f"the row after {learned} tasks"
    raise UserError(f"{log} is damaged: {row} is not in it")


def _typed_lines(log: Path) -> Iterator[tuple[bytes, Event]]:
    """Every whole line with its event; raises at the first that is damaged, or where there is no log."""
    version = 1
    try:
        for number, (line, fields) in enumerate(_lines(log), start=1):
            version = _version(fields) if number == 1 else version
            yield line, _typed(log, number, fields, version)
    except OSError as error:
        raise UserError(f"{log} cannot be read: {error.strerror}") from error


def _is_within(event: Event, steps: int) -> bool:
    """Whether it was logged during the first ``steps`` steps of a task."""
    if isinstance(event, Resumed):
        return (event.steps_done or 0) <= steps
    return isinstance(event, Step) and event.step <= steps


def _ends(event: Event, learned: int) -> bool:
    """Whether it is the row after ``learned`` tasks; negative: the run's first event."""
    if learned < 0:
        return isinstance(event, Started)
    return isinstance(event, Evaluated) and event.learned == learned


def _version(first: Mapping[str, Any]) -> int:
    """The log's version by its first line; what is none is named as that line is read."""
    said = first.get("schema_version", 1)
    return said if isinstance(said, int) else 1


def _typed(log: Path, number: int, fields: Mapping[str, Any], version: int) -> Event:
    """The event of line ``number`` of a log of this version."""
    try:
        return event_of(fields, version)
    except ValueError as error:
        raise NoEventError(f"line {number} of {log} is damaged: {error}") from error


def _lines(log: Path) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """Every whole line with its fields; raises at the first that is damaged."""
    try:
        *whole, _ = read_bounded(log).split(b"\n")  # behind the last end: what a kill cut off
    except ValueError as error:
        raise UserError(f"{log} is damaged: {error}") from error
    checked = False  # logs from before check sums have none
    for number, line in enumerate(whole, start=1):
        fields, checked = _checked(log, number, line, checked)
        yield line + b"\n", fields


def _checked(log: Path, number: int, line: bytes, checked: bool) -> tuple[dict[str, Any], bool]:
    """The fields of a line without its check sum, and whether lines have one: from the first on, all do."""
    try:
        fields = json.loads(line.decode())
        if not isinstance(fields, dict):
            raise ValueError("it holds no event")
        checked = checked or "crc32" in fields or "sha256" in fields
        if checked and fields.pop("crc32", None) != _check(line[: -len(TAIL)] + b"}"):
            raise ValueError("its check sum does not fit it")
        return fields, checked
    except (ValueError, RecursionError) as error:
        raise UserError(f"line {number} of {log} is damaged: {error}") from error


def _check(text: bytes) -> str:
    return f"{zlib.crc32(text):08x}"

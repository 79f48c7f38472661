"""The log of a run, ``events.jsonl``: one event a line, each with a check sum. No torch.

The line that a kill cuts off is the last one and has no end. Any other line that cannot be read is
damaged, and so is what follows from it: it is named, never skipped.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.records.files import read_bounded

TAIL = ', "crc32": "01234567"}'  # the end of a line; the sum is over the line without this key
Event = dict[str, Any]


def line_of(event: Event) -> bytes:
    """An event as a line of the log."""
    text = json.dumps(event).encode()
    return json.dumps({**event, "crc32": _check(text)}).encode() + b"\n"


def read_log(log: Path) -> list[Event]:
    """Every whole line's event; a line cut off by a kill is left out.

    Raises:
        OSError: there is no log.
        UserError: a line is damaged; names it.
    """
    return [event for _, event in _lines(log)]


def lines_until(log: Path, learned: int) -> list[tuple[bytes, Event]]:
    """The log's lines up to the row after ``learned`` tasks; what follows it is not looked at.

    Args:
        log: the file.
        learned: negative: up to the run's first event.

    Raises:
        UserError: the log is missing, a line is damaged, or the row is not there.
    """
    wanted = ("started", -1) if learned < 0 else ("evaluated", learned)
    kept = []
    try:
        for line, event in _lines(log):
            kept.append((line, event))
            if (event.get("event"), event.get("learned", -1)) == wanted:
                return kept
    except OSError as error:
        raise UserError(f"{log} cannot be read: {error.strerror}") from error
    row = "the run's beginning" if learned < 0 else f"the row after {learned} tasks"
    raise UserError(f"{log} is damaged: {row} is not in it")


def _lines(log: Path) -> Iterator[tuple[bytes, Event]]:
    """Every whole line with its event; raises at the first that is damaged."""
    try:
        *whole, _ = read_bounded(log).split(b"\n")  # behind the last end: what a kill cut off
    except ValueError as error:
        raise UserError(f"{log} is damaged: {error}") from error
    checked = False
    for number, line in enumerate(whole, start=1):
        try:
            event = json.loads(line.decode())
            if not isinstance(event, dict):
                raise ValueError("it holds no event")
            # Logs from before check sums have none; from the first one on, every line has.
            checked = checked or "crc32" in event or "sha256" in event
            if checked and event.pop("crc32", None) != _check(line[: -len(TAIL)] + b"}"):
                raise ValueError("its check sum does not fit it")
        except (ValueError, RecursionError) as error:
            raise UserError(f"line {number} of {log} is damaged: {error}") from error
        yield line + b"\n", event


def _check(text: bytes) -> str:
    return f"{zlib.crc32(text):08x}"

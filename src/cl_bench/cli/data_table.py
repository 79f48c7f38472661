"""What ``cl-bench data status`` prints."""

from __future__ import annotations

from pathlib import Path

from rich.markup import escape
from rich.table import Table

from cl_bench.cli.console import console
from cl_bench.datasets.mtil.prepare import archives
from cl_bench.datasets.mtil.status import Status

COLOURS = {"found": "green", "missing": "yellow", "wrong": "red"}


def print_table(root: Path, states: list[Status]) -> None:
    """What is there of each data set, against what belongs there."""
    table = Table(box=None, pad_edge=False, title=f"MTIL under {root}", title_justify="left")
    for column in ("data set", "state"):
        table.add_column(column)
    for column in ("training images", "test images", "classes"):
        table.add_column(column, justify="right")
    for s in states:
        counts = zip((s.train, s.test, s.classes), s.expected, strict=True)
        cells = [_count(have, want) for have, want in counts]
        table.add_row(s.name, f"[{COLOURS[s.state]}]{s.state}", *cells)
    console.print(table)


def _count(have: int | None, want: int) -> str:
    if have == want:
        return f"{have:,}"
    return f"[dim]{want:,}" if have is None else f"[red]{have:,}[/red] of {want:,}"


def print_notes(states: list[Status]) -> None:
    """What to do about data sets that are not whole."""
    known = archives()
    for s in [s for s in states if s.state != "found"]:
        console.print(f"\n[bold]{s.name}")
        for note in s.notes:
            console.print(f"  {escape(note)}", soft_wrap=True)
        if s.state == "missing":
            by_hand = next((part.by_hand for part in known[s.name] if part.by_hand), None)
            how = f"by hand: {by_hand}" if by_hand else f"`cl-bench data prepare {s.name}`"
            console.print(f"  [green]to get it[/green]: {how}", soft_wrap=True)

"""What ``cl-bench data status`` prints; docs/json.md names the keys of its JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.table import Table

from cl_bench.cli.as_json import print_json
from cl_bench.cli.console import console, paragraph
from cl_bench.datasets.mtil.archives import archives, only_by_hand
from cl_bench.datasets.mtil.status import Status

COLOURS = {"found": "green", "missing": "yellow", "wrong": "red"}


def print_table(root: Path, states: list[Status]) -> None:
    """What is there of each data set, against what belongs there."""
    console.print(f"MTIL under {root}", style="italic", soft_wrap=True, markup=False)
    table = Table(box=None, pad_edge=False)
    for column in ("data set", "state"):
        table.add_column(column, no_wrap=True)
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
    for s in [s for s in states if s.state != "found"]:
        console.print(f"\n[bold]{s.name}")
        for note in s.notes:
            paragraph(note, "  ")
        if how := _how_to_get(s):
            paragraph(f"to get it: {how}", "  ")


def print_status_json(root: Path, states: list[Status]) -> None:
    """The same as one object."""
    print_json({"root": str(root), "datasets": [_status(state) for state in states]})


def _status(state: Status) -> dict[str, Any]:
    counts = ("train_images", "test_images", "classes")
    return {
        "name": state.name,
        "state": state.state,
        **dict(zip(counts, (state.train, state.test, state.classes), strict=True)),
        "expected": dict(zip(counts, state.expected, strict=True)),
        "notes": state.notes,
        "to_get_it": _how_to_get(state),
    }


def _how_to_get(state: Status) -> str | None:
    """A command, or what to do by hand, where nothing of the data set is there."""
    if state.state != "missing":
        return None
    command = f"cl-bench data prepare {state.name}"
    if words := only_by_hand(archives()[state.name]):
        return f"by hand: {words}; then `{command} --from FOLDER`, the folder that holds them"
    return f"`{command}`"

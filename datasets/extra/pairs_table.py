"""Image-text pairs as a folder has them: the table ``pairs.csv`` beside images. No torch."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cl_bench.benchmark.errors import UserError, unknown
from cl_bench.datasets.extra.captions_file import LONGEST
from cl_bench.datasets.own.list_table import ListTable, Row, existing_path, read_table

TABLE = "pairs.csv"
COLUMNS = ("path", "prompt", "task")


@dataclass(frozen=True)
class Pair:
    """An image and the prompt that it was made from.

    Attributes:
        file: the image.
        prompt: without spaces at its ends.
        task: the task that is learned with this pair; ``None``: every task.
        place: of its row in the table, in words.
    """

    file: Path
    prompt: str
    task: str | None
    place: str


def read_pairs(folder: Path) -> tuple[Pair, ...]:
    """Every pair of a folder, in the table's order.

    The table has the columns ``path`` (of the image, below the folder), ``prompt`` and, where tasks
    have pairs of their own, ``task``.

    Raises:
        UserError: there is no table, or a row cannot be used; names the row.
    """
    path = folder / TABLE
    table = read_table(path, "table of pairs")
    try:
        _check_columns(table)
        pairs = tuple(_pair(row, folder, "task" in table.columns) for row in table.rows)
        _check_each_once(pairs)
    except UserError as error:
        raise UserError(f"the table of pairs {path}, {error}") from error
    return pairs


def _check_columns(table: ListTable) -> None:
    lacking = [name for name in COLUMNS[:2] if name not in table.columns]
    strange = [name for name in table.columns if name not in COLUMNS]
    if lacking or strange:
        shown = ", ".join(table.columns)
        raise UserError(f"which has the columns {shown}, needs path, prompt and, optionally, task")


def _pair(row: Row, folder: Path, of_tasks: bool) -> Pair:
    """One pair, or an error that begins with the row's place."""
    file, prompt = folder / existing_path(row, folder), row.cells["prompt"].strip()
    if not 0 < len(prompt) <= LONGEST:
        raise UserError(f"{row.place}: a prompt has 1 to {LONGEST:,} characters, not {len(prompt)}")
    if of_tasks and not row.cells["task"]:
        raise UserError(
            f"{row.place}: the column 'task' is empty; leave the column out where pairs serve every task"
        )
    return Pair(file, prompt, row.cells["task"] if of_tasks else None, row.place)


def _check_each_once(pairs: Sequence[Pair]) -> None:
    """An image has one prompt in a task: two would be a mistake in whatever wrote the table."""
    seen: dict[tuple[str, str | None], Pair] = {}
    for pair in pairs:
        first = seen.setdefault((os.path.normpath(pair.file), pair.task), pair)
        if first is not pair:
            raise UserError(f"{pair.place}: {pair.file.name} stands on {first.place} already")


def check_tasks(pairs: Sequence[Pair], known: Sequence[str], folder: Path) -> None:
    """Make sure that every task a table names is one of the suite.

    Raises:
        UserError: one is not; names the row and tasks that are near.
    """
    for pair in pairs:
        if pair.task is not None and pair.task not in known:
            error = unknown("task", pair.task, known)
            raise UserError(f"the table of pairs {folder / TABLE}, {pair.place}: {error}")

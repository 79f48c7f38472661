"""A matrix of accuracies on the terminal, in colour and in blocks that fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from cl_bench.benchmark.matrix import AccuracyMatrix
from cl_bench.benchmark.record import ZERO_SHOT
from cl_bench.reports.runs.names import clip, short_names
from cl_bench.reports.runs.numbers import plain

# cividis at 0, 25, 50, 75 and 100 per cent: dark to light, for colour-blind eyes too
COLOURS = ((0, 34, 78), (67, 78, 108), (125, 124, 120), (188, 174, 108), (254, 232, 56))
DARK_BELOW = 48.0  # per cent; below, white has more contrast on these colours than black
CELL = 7  # characters: "[100.0]"
LABELS = 3  # the names of rows take at most this part of the width


@dataclass(frozen=True)
class Matrix:
    """The accuracies; side by side as far as the width allows, then in blocks of about equal width.

    Attributes:
        matrix: of a run, finished or not.
        first: what its first row is called.
    """

    matrix: AccuracyMatrix
    first: str = ZERO_SHOT

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Blocks of columns, each below the names of its tasks."""
        names = short_names(self.matrix.tasks)
        longest = options.max_width // LABELS
        rows = [self.first, *(f"{i:2d} {clip(name, longest)}" for i, name in enumerate(names, 1))]
        rows = rows[: len(self.matrix.rows) + 1]
        first = min(max(map(len, names)), longest) - CELL + 1  # one ends above the first column
        label = max(*map(len, rows), first) + 1
        for columns in _blocks(len(names), max(1, (options.max_width - label) // CELL)):
            yield from map(_line, _header([names[j] for j in columns], label))
            yield _line("after".ljust(label) + "".join(str(j + 1).rjust(CELL) for j in columns))
            yield from (_line(line) for line in self._rows(rows, columns, label))
        yield Text("[ ]: just learned; right of it: not learned yet\n", style="dim")

    def _rows(self, names: Sequence[str], columns: range, label: int) -> Iterator[Text]:
        values = (self.matrix.zero_shot, *self.matrix.rows)
        for i, (name, accuracies) in enumerate(zip(names, values, strict=True)):
            yield Text.assemble(
                name.ljust(label), *(_cell(accuracies[j], i - 1 - j) for j in columns)
            )


def _line(words: str | Text) -> Text:
    line = Text(words) if isinstance(words, str) else words
    line.no_wrap = True
    return line


def _blocks(total: int, fitting: int) -> Iterator[range]:
    """Columns in as few blocks as fit, none much shorter than the others."""
    blocks = -(-total // fitting)
    each = -(-total // blocks)
    return (range(start, min(start + each, total)) for start in range(0, total, each))


def _header(names: Sequence[str], label: int) -> list[str]:
    """Every name ends above its column; on as many lines as neighbours need to be whole."""
    count = min(len(names), -(-(max(map(len, names)) + 1) // CELL))
    lines = [""] * count
    for j, name in enumerate(names):
        line, end = lines[j % count], label + CELL * (j + 1)
        lines[j % count] = line + clip(name, end - len(line) - 1).rjust(end - len(line))
    return lines


def _cell(accuracy: float, age: int) -> Text:
    """An accuracy; ``age``: how many tasks ago its task was learned, below 0 if it was not."""
    number = plain(accuracy)
    text = f"[{number}]" if age == 0 else number
    ink = "white" if accuracy < DARK_BELOW else "black"
    form = "bold " if age == 0 else "italic " if age < 0 else ""
    return Text(text.rjust(CELL), style=f"{form}{ink} on {_colour(accuracy)}")


def _colour(accuracy: float) -> str:
    step, part = divmod(accuracy, 25.0)
    low, high = list(pairwise(COLOURS))[min(int(step), 3)]
    part = 25.0 if step == 4 else part
    mixed = (round(a + (b - a) * part / 25) for a, b in zip(low, high, strict=True))
    return "#" + "".join(f"{channel:02x}" for channel in mixed)

"""The console that commands print to: as wide as the terminal, or as COLUMNS says.

Where the output goes to a file or another program, and COLUMNS says nothing, no line is broken.
"""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console, RenderableType

UNBROKEN = 10_000  # characters


def _width() -> int | None:
    """Of the output; ``None`` leaves it to the terminal or to COLUMNS."""
    return None if sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit() else UNBROKEN


console = Console(highlight=False, width=_width())


@contextmanager
def silenced(wanted: bool) -> Iterator[None]:
    """Let :data:`console` print nothing, if wanted."""
    before, console.quiet = console.quiet, wanted or console.quiet
    try:
        yield
    finally:
        console.quiet = before


def warn(words: str) -> None:
    """Say what must be known; under ``--quiet``, too, on standard error then."""
    if console.quiet:
        typer.echo(words, err=True)
    else:
        console.print(words, style="yellow", soft_wrap=True, markup=False)


def made(path: object) -> None:
    """Say under ``--quiet``, where nothing else does, what was made."""
    if console.quiet:
        typer.echo(path)


def fits(shown: RenderableType) -> bool:
    """Whether the console is wide enough to show something without breaking lines."""
    unbroken = console.options.update(width=UNBROKEN)
    return console.measure(shown, options=unbroken).maximum <= console.width


def paragraph(words: str, indent: str = "") -> None:
    """Print a text in lines of the console's width; a word is never broken, as a path may be copied."""
    console.print(
        textwrap.fill(
            words,
            console.width,
            initial_indent=indent,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        ),
        soft_wrap=True,
        markup=False,
    )

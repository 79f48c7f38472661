"""``cl-bench list settings METHOD``: what can be set, and what it is under each preset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from cl_bench.benchmark.errors import UserError
from cl_bench.cli.console import console, paragraph
from cl_bench.experiment.setting_words import TITLES, in_words, sources_of
from cl_bench.experiment.settings import Setting, find_settings

WIDTHS = {
    "setting": 20,
    "what it may be": 19,
    "default": 10,
    "paper": 14,
    "fair": 13,
}  # and gaps: 80
BELOW = "(below)"  # in the place of a value that is too long for its column


def show_settings(what: str, method: str | None, suite: str, plugin: Path | None) -> None:
    """Print the settings of a method, or one of its tables.

    Args:
        what: ``settings`` for all, else the table.
        method: its name.
        suite: whose budget and protocol stand under ``fair``.
        plugin: a file that defines the method.

    Raises:
        UserError: there is no such method or suite, or no method is named.
    """
    settings = chosen_settings(what, method, suite, plugin)
    paragraph(
        f"{method} on the suite {suite}. Change a value: cl-bench run --method {method} --set NAME=VALUE"
    )
    for table, title in TITLES.items():
        rows = [setting for setting in settings if setting.table == table]
        if rows:
            console.print()
            console.print(f"{table}: {title}", style="bold")
            for line in _lines(rows):
                console.print(line)


def chosen_settings(
    what: str, method: str | None, suite: str, plugin: Path | None
) -> list[Setting]:
    """The settings of a method, or those of one of its tables; arguments as :func:`show_settings`."""
    if method is None:
        raise UserError(
            f"say whose: cl-bench list {what} METHOD (`cl-bench list methods` has them)"
        )
    settings = find_settings(method, suite, plugin)
    return [setting for setting in settings if what in ("settings", setting.table)]


def _lines(settings: Sequence[Setting]) -> Iterator[Table | Padding]:
    """A row of values per setting, and below it what it is and who says so."""
    yield _row(*(f"[dim]{name}" for name in WIDTHS))
    for setting in settings:
        limits = f" {setting.range}" if setting.range else ""
        paper = setting.paper and setting.paper.value
        values = {"default": setting.default, "paper": paper, "fair": setting.fair.value}
        shown = {name: in_words(value) for name, value in values.items()}
        long = {name: text for name, text in shown.items() if len(text) > WIDTHS[name]}
        cells = (BELOW if name in long else text for name, text in shown.items())
        yield _row(setting.name, setting.kind + limits, *cells, style="bold")
        below = (f"{name} = {text}." for name, text in long.items())
        words = (*_sentence(setting.about), *_how(setting), *below, *sources_of(setting))
        yield Padding(escape(" ".join(words)), (0, 0, 0, 2), expand=False)


def _row(*cells: str, style: str | None = None) -> Table:
    table = Table.grid(padding=(0, 1))
    for i, width in enumerate(WIDTHS.values()):
        table.add_column(width=width, overflow="fold", style=style if i == 0 else None)
    table.add_row(*cells)
    return table


def _sentence(about: str) -> tuple[str, ...]:
    return (about if about.endswith(".") else f"{about}.",) if about else ()


def _how(setting: Setting) -> tuple[str, ...]:
    """How it is set, where that is not ``--set``."""
    if setting.option.startswith("--set"):
        return ()
    return (f"Set by {setting.option}." if setting.option else "Set by settings files alone.",)

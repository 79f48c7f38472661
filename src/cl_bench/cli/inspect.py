"""``list``: what there is to run, a line per name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from cl_bench.cli.console import console, fits

if TYPE_CHECKING:
    from cl_bench.methods.catalog import MethodCard
    from cl_bench.reports.literature.licences import Licence


def show_list(what: str, suite: str) -> None:
    """Print one line per name."""
    rows = {
        "methods": _methods,
        "suites": _suites,
        "orders": lambda: _orders(suite),
        "datasets": lambda: _datasets(suite),
        "backbones": _backbones,
        "licences": _licences,
    }[what]()
    table = _grid(rows)
    console.print(_grid(_methods_in_short()) if what == "methods" and not fits(table) else table)


def _grid(rows: Iterable[tuple[str, ...]]) -> Table:
    """Names, whole, and what is said of them, broken between words."""
    table = Table.grid(padding=(0, 2))
    for i, row in enumerate(rows):
        if i == 0:
            for column in range(len(row)):
                table.add_column(no_wrap=column < len(row) - 1 and column != 1)
        table.add_row(*row)
    return table


def cards() -> dict[str, MethodCard]:
    """Every method that can be named, and what it is."""
    from cl_bench.methods.catalog import known_methods

    return known_methods()


def _methods() -> Iterable[tuple[str, ...]]:
    yield (
        "[bold]name",
        "[bold]what it is",
        "[bold]paper",
        "[bold]year",
        "[bold]trains",
        "[bold]needs",
    )
    for name, card in cards().items():
        trains = "" if card.trainable is None else f"{card.trainable / 1e6:.1f} M"
        year = "" if card.year is None else str(card.year)
        yield name, escape(card.about), escape(card.paper), year, trains, ", ".join(card.needs)


def _methods_in_short() -> Iterable[tuple[str, ...]]:
    """The same for a narrow terminal: paper and needs below what it is."""
    yield "[bold]name", "[bold]trains", "[bold]what it is; where from; what it needs"
    for name, card in cards().items():
        trains = "" if card.trainable is None else f"{card.trainable / 1e6:.1f} M"
        below = "; ".join((card.paper, *(["needs " + ", ".join(card.needs)] if card.needs else [])))
        yield name, trains, f"{escape(card.about)}\n[dim]{escape(below)}"


def _suites() -> Iterable[tuple[str, ...]]:
    from cl_bench.datasets.catalog import BUILT_IN

    yield from ((name, make().about) for name, make in BUILT_IN.items())
    yield ("FILE.toml", "a suite of your own on image folders, see docs/suites.md")


def _orders(suite: str) -> Iterable[tuple[str, ...]]:
    from cl_bench.datasets.catalog import find_suite

    return ((name, " > ".join(tasks)) for name, tasks in find_suite(suite).orders.items())


def _datasets(suite: str) -> Iterable[tuple[str, ...]]:
    from cl_bench.datasets.catalog import find_suite

    of = find_suite(suite)
    for task in of.tasks:
        sizes = f"{task.train_size:,} train, {task.test_size:,} test"
        yield task.name, f"{len(task.classnames)} classes", sizes, f'"{task.templates[0]}"'
    for held_out in of.held_out:
        sizes = f"held out: {held_out.test_size:,} test"
        classes = f"{len(held_out.classnames)} classes"
        yield held_out.name, classes, sizes, f'"{held_out.templates[0]}"'
    for searched in of.retrieval:
        sizes = f"retrieval: {len(searched.captions):,} captions"
        yield (
            searched.name,
            f"{searched.pictures:,} pictures",
            sizes,
            f'"{searched.captions[0][1]}"',
        )


def _backbones() -> Iterable[tuple[str, ...]]:
    from cl_bench.datasets.mini.suite import TINY
    from cl_bench.datasets.pretrained.architectures import all_models, runnable_models

    runnable = runnable_models()
    yield TINY, "the mini suite's, shipped with its weights"
    yield "NAME:WEIGHTS", "WEIGHTS is a tag of open_clip's, a file, or `random`; NAME is one of"
    yield from (("", name) for name in runnable)
    others = len(all_models()) - len(runnable)
    yield "", f"({others} more of open_clip's models are built otherwise and do not run here)"


def known_licences() -> Iterator[Licence]:
    """Of every data set that is shipped or read by name, and of every method's published code."""
    from cl_bench.datasets.catalog import find_suite
    from cl_bench.reports.literature.licences import licences

    return licences(("mini", *(task.name for task in find_suite("mtil").tasks)), tuple(cards()))


def _licences() -> Iterable[tuple[str, ...]]:
    yield "[bold]name", "[bold]licence", "[bold]of", "[bold]read"
    for known in known_licences():
        yield (
            known.name,
            escape(known.licence),
            f"{known.kind} {escape(known.of)}",
            escape(known.read),
        )

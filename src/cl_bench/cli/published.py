"""``published``: what the literature reports, in the terminal or as JSON."""

from __future__ import annotations

from typing import Any

from rich import table as rich_table
from rich.text import Text

from cl_bench.benchmark.errors import UserError
from cl_bench.cli.as_json import print_json
from cl_bench.cli.console import console, fits, paragraph
from cl_bench.reports.literature.beside import literature_tables
from cl_bench.reports.literature.published import MEAN, means, published
from cl_bench.reports.runs.metrics import MAIN
from cl_bench.reports.tables.table import Table


def show_published(order: str, setting: str) -> None:
    """Print one table for each family of splits; on a narrow terminal sources stand below it.

    Raises:
        UserError: nothing is known of the order under the setting; says of which something is.
    """
    _must_be_known(order, setting)
    for table in literature_tables(order, setting):
        shown = _shown(table, [[cell.text for cell in row] for row in table.rows])
        paragraph(table.title)
        if fits(shown):
            console.print(shown, "")
        else:
            _show_narrow(table)


def print_published_json(order: str, setting: str) -> None:
    """Print one object per published row.

    Raises:
        UserError: nothing is known of the order under the setting.
    """
    _must_be_known(order, setting)
    print_json([_row(p.__dict__, p.split, p.origin, of) for p, of in means(order, setting)])


def _row(p: dict[str, Any], split: str, origin: str, values: dict[str, float]) -> dict[str, Any]:
    told = {name: p[name] for name in ("method", "order", "setting")}
    metrics = {metric: values.get(metric) for metric in (*MAIN, "zero_shot")}
    return {
        **told,
        "split": split,
        **metrics,
        "origin": origin,
        **{n: p[n] for n in ("status", "source")},
    }


def _must_be_known(order: str, setting: str) -> None:
    known = {(p.order, p.setting) for p in published() if p.dataset == MEAN}
    if (order, setting) not in known:
        words = "; ".join(f"--order {o!r} --setting {s!r}" for o, s in sorted(known))
        raise UserError(
            f"nothing published under --order {order!r} --setting {setting!r}. Known: {words}"
        )


def _shown(table: Table, rows: list[list[str]]) -> rich_table.Table:
    shown = rich_table.Table(box=None, pad_edge=False)
    for i, name in enumerate(table.header):
        shown.add_column(name, justify="left" if table.is_words(i) else "right", no_wrap=True)
    for row in rows:
        shown.add_row(*map(Text, row))
    return shown


def _show_narrow(table: Table) -> None:
    """The sources, which many rows share, by number below the table."""
    sources = list(dict.fromkeys(row[-1].text for row in table.rows))
    numbers = {source: f"[{i}]" for i, source in enumerate(sources, 1)}
    rows = [[*(cell.text for cell in row[:-1]), numbers[row[-1].text]] for row in table.rows]
    console.print(_shown(table, rows))
    for source, number in numbers.items():
        paragraph(f"{number} {source}")
    console.print()

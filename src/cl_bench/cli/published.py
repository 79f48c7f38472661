"""``published``: what the literature reports, in the terminal."""

from __future__ import annotations

from rich.table import Table

from cl_bench.benchmark.errors import UserError
from cl_bench.cli.console import console
from cl_bench.reports.literature.beside import literature_tables
from cl_bench.reports.literature.published import MEAN, published


def show_published(order: str, setting: str) -> None:
    """Print one table for each family of splits.

    Raises:
        UserError: nothing is known of the order under the setting; says of which something is.
    """
    tables = literature_tables(order, setting)
    if not tables:
        known = {(p.order, p.setting) for p in published() if p.dataset == MEAN}
        words = "; ".join(f"--order {o!r} --setting {s!r}" for o, s in sorted(known))
        raise UserError(
            f"nothing published under --order {order!r} --setting {setting!r}. Known: {words}"
        )
    for table in tables:
        shown = Table(title=table.title, title_justify="left", box=None, pad_edge=False)
        for i, name in enumerate(table.header):
            left = table.is_words(i)
            shown.add_column(name, justify="left" if left else "right", no_wrap=not left)
        for row in table.rows:
            shown.add_row(*(cell.text for cell in row))
        console.print(shown, "")

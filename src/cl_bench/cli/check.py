"""``cl-bench data check``: everything about a suite or image-text pairs that can be known before a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cl_bench.cli.completion import suites
from cl_bench.cli.options import Quiet

if TYPE_CHECKING:
    from rich.table import Table

    from cl_bench.datasets.checks.task_check import TaskCheck


STOPS, LOOK = "stops a run", "worth a look"


def check(
    suite: Annotated[
        str,
        typer.Argument(
            help="A suite file, or mini, mini-long, mtil, x-tail; or a folder of image-text pairs.",
            autocompletion=suites,
        ),
    ],
    data_root: Annotated[
        Path | None,
        typer.Option(help="Folder of the MTIL data sets. (default: CL_BENCH_DATA)", metavar="DIR"),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """List everything about a suite before a run: classes, counts, duplicates, broken files, prompts.

    Every image is read and decoded. The exit code is 1 where something would stop a run.
    """
    from cl_bench.datasets.catalog import BUILT_IN

    if suite not in BUILT_IN and Path(suite).is_dir():
        _check_pairs(Path(suite), quiet)
        return
    from cl_bench.cli.console import console, silenced
    from cl_bench.cli.progress import progress_of_files
    from cl_bench.datasets.checks.suite_check import check_suite
    from cl_bench.experiment.suites import environment_root

    root = data_root or environment_root()
    with silenced(quiet):
        with progress_of_files(console) as on_progress:
            found = check_suite(suite, root, on_progress)
        console.print(_table(found.tasks))
        _print_list(STOPS, "red", found.problems)
        _print_list("recorded with every run", "yellow", found.remarks)
        _print_list(LOOK, "cyan", found.notes)
        if found.problems:
            raise typer.Exit(1)
        console.print(f"\n{'nothing' if not found.remarks else 'none of this'} stops a run")


def _check_pairs(folder: Path, quiet: bool) -> None:
    """The same of a folder of image-text pairs."""
    from rich.markup import escape
    from rich.table import Table

    from cl_bench.cli.console import console, silenced
    from cl_bench.cli.progress import progress_of_files
    from cl_bench.datasets.checks.pairs_check import check_pairs

    with silenced(quiet):
        with progress_of_files(console) as on_progress:
            found = check_pairs(folder, on_progress)
        table = Table("learned with", box=None, pad_edge=False)
        for column in ("pairs", "prompts"):
            table.add_column(column, justify="right")
        for task, (pairs, prompts) in found.counts.items():
            table.add_row(escape(task), f"{pairs:,}", f"{prompts:,}")
        console.print(table)
        _print_list(STOPS, "red", found.problems)
        _print_list(LOOK, "cyan", found.notes)
        if found.problems:
            raise typer.Exit(1)


def _table(tasks: Sequence[TaskCheck]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("task", no_wrap=True)
    for column in ("train", "test", "classes"):
        table.add_column(column, justify="right")
    for column in ("largest class", "smallest class"):
        table.add_column(column, overflow="fold")
    table.add_column("ratio", justify="right")
    for task in tasks:
        largest = max(task.per_class, key=task.per_class.__getitem__)
        smallest = min(task.per_class, key=task.per_class.__getitem__)
        most, fewest = task.per_class[largest], task.per_class[smallest]
        table.add_row(
            escape(task.spec.name),
            f"{task.spec.train_size:,}",
            f"{task.spec.test_size:,}",
            f"{len(task.per_class):,}",
            f"{most:,} {escape(largest)}",
            f"{fewest:,} {escape(smallest)}",
            f"{most / fewest:.1f}" if fewest else "-",
        )
    return table


def _print_list(title: str, colour: str, lines: Sequence[str]) -> None:
    from cl_bench.cli.console import console, paragraph, warn

    if lines:
        console.print(f"\n[{colour}]{title}")
    for line in lines:
        if console.quiet:
            warn(f"{title}: {line}")
        else:
            paragraph(line, "  ")

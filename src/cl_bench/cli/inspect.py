"""``list`` and ``doctor``: what there is to run, and whether it can run here."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from cl_bench.benchmark.errors import UserError
from cl_bench.cli.console import console

if TYPE_CHECKING:
    from cl_bench.methods.catalog import MethodCard


def show_list(what: str, suite: str) -> None:
    """Print one line per name."""
    rows = {
        "methods": _methods,
        "suites": _suites,
        "orders": lambda: _orders(suite),
        "datasets": lambda: _datasets(suite),
        "backbones": _backbones,
    }[what]()
    table = Table.grid(padding=(0, 2))
    for row in rows:
        table.add_row(*row)
    console.print(table)


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
        yield name, card.about, card.paper, year, trains, ", ".join(card.needs)


def _suites() -> Iterable[tuple[str, ...]]:
    from cl_bench.datasets.catalog import BUILT_IN

    yield from ((name, make().about) for name, make in BUILT_IN.items())
    yield ("FILE.toml", "a suite of your own on image folders, see docs/suites.md")


def _orders(suite: str) -> Iterable[tuple[str, ...]]:
    from cl_bench.datasets.catalog import find_suite

    return ((name, " > ".join(tasks)) for name, tasks in find_suite(suite).orders.items())


def _datasets(suite: str) -> Iterable[tuple[str, ...]]:
    from cl_bench.datasets.catalog import find_suite

    for task in find_suite(suite).tasks:
        sizes = f"{task.train_size:,} train, {task.test_size:,} test"
        yield task.name, f"{len(task.classnames)} classes", sizes, f'"{task.templates[0]}"'


def _backbones() -> Iterable[tuple[str, ...]]:
    from cl_bench.datasets.mini.suite import TINY
    from cl_bench.datasets.pretrained.architectures import all_models, runnable_models

    runnable = runnable_models()
    yield TINY, "the mini suite's, shipped with its weights"
    yield "NAME:WEIGHTS", "WEIGHTS is a tag of open_clip's, a file, or `random`; NAME is one of"
    yield from (("", name) for name in runnable)
    others = len(all_models()) - len(runnable)
    yield "", f"({others} more of open_clip's models are built otherwise and do not run here)"


def show_doctor() -> bool:
    """Print one line per check, those that take long last; returns whether all went well."""
    checks = {
        "Python": _python,
        "the disk": _disk,
        "the data root": _data_root,
        "torch and open_clip": _torch,
        "the embedded suite": _embedded,
    }
    well = True
    for what, check in checks.items():
        try:
            with console.status(f"checking {what} ..."):  # on a terminal, until the line is there
                line = f"[green]ok[/]      {check()}"
        except (UserError, ImportError, OSError) as error:
            line, well = f"[red]failed[/]  {error}", False
        console.print(line, soft_wrap=True)
    return well


def _python() -> str:
    import cl_bench

    return f"cl-bench {cl_bench.__version__}, Python {platform.python_version()}"


def _torch() -> str:
    import open_clip
    import torch

    where = "CPU only"
    if torch.cuda.is_available():
        where = f"GPU {torch.cuda.get_device_name()}"
    return (
        f"torch {torch.__version__}, open_clip {open_clip.__version__}; {where}, "
        f"{torch.get_num_threads()} threads"
    )


def _embedded() -> str:
    from cl_bench.datasets.backbones import load
    from cl_bench.datasets.mini.domains import DOMAINS, draw
    from cl_bench.datasets.mini.suite import tiny_clip

    clip = load(tiny_clip(), "cpu")
    images = sum(len(draw(name, "test")[1]) for name in DOMAINS)
    return f"mini suite: {images:,} test images drawn, {clip.image_size} px tiny CLIP loaded"


def _data_root() -> str:
    from cl_bench.datasets.mtil.layout import missing_files
    from cl_bench.experiment.suites import environment_root

    root = environment_root()
    if not root:
        return "no data root (CL_BENCH_DATA is not set): the default suite is mini"
    found = [name for name, missing in missing_files(root).items() if not missing]
    return f"data root {root}: {len(found)} of 11 MTIL data sets found ({', '.join(found) or '-'})"


def _disk() -> str:
    free = shutil.disk_usage(Path.cwd()).free
    if free < 2**30:
        raise UserError(f"only {free / 2**20:.0f} MiB of disk are free here")
    return f"{free / 2**30:.0f} GiB of disk free here"

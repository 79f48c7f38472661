"""Suites by name: the embedded one, the real benchmark, or a file of one's own. No torch."""

from __future__ import annotations

from pathlib import Path

from cl_bench.benchmark.errors import UserError, unknown
from cl_bench.datasets.mini.long import mini_long_suite
from cl_bench.datasets.mini.suite import mini_suite
from cl_bench.datasets.mtil.layout import missing_files
from cl_bench.datasets.mtil.suites import mtil_suite, on_what_is_there, x_tail_suite
from cl_bench.datasets.own.suite_file import read_suite
from cl_bench.datasets.suite import Suite
from cl_bench.datasets.task_spec import MtilSource

BUILT_IN = {
    "mini": mini_suite,
    "mini-long": mini_long_suite,
    "mtil": mtil_suite,
    "x-tail": x_tail_suite,
}


def find_suite(name: str, partial_root: Path | None = None) -> Suite:
    """A built-in suite, or the one that a TOML file describes.

    Args:
        name: of the suite, or the file's path.
        partial_root: take the data sets below it as they are, whole or not.

    Raises:
        UserError: there is no such suite, or the file is wrong.
    """
    if name in BUILT_IN:
        suite = BUILT_IN[name]()
        return suite if partial_root is None else on_what_is_there(suite, partial_root)
    if name.endswith(".toml"):
        return read_suite(Path(name))
    raise unknown("suite", name, [*BUILT_IN, "a file FILE.toml"])


def check_data(suite: Suite, root: Path | None) -> None:
    """Make sure that the files are there from which the suite's tasks are read.

    Raises:
        UserError: files are missing; lists, per data set, where they belong.
    """
    sources = [task.source for task in suite.tasks if isinstance(task.source, MtilSource)]
    needed = [source.dataset for source in sources if source.root is None]
    missing = {name: paths for name, paths in missing_files(root).items() if name in needed}
    if not any(missing.values()):
        return
    lines = [
        f"  {name:13s} {'missing ' + ', '.join(paths) if paths else 'found'}"
        for name, paths in missing.items()
    ]
    given = (
        f"under {root}"
        if root
        else "and no data root is given (set CL_BENCH_DATA=FOLDER, or --data-root)"
    )
    raise UserError(
        f"suite {suite.name} needs {len(needed)} data sets on disk, {given}:\n"
        + "\n".join(lines)
        + "\n`cl-bench data prepare` fetches what can be fetched, `cl-bench data status` says more; "
        "`--suite mini` needs no data, and a suite file (docs/suites.md) runs on images of your own."
    )

"""Suites by name: the embedded one, the real benchmark, or a file of one's own. No torch."""

from __future__ import annotations

from pathlib import Path

from cl_bench.benchmark.errors import UserError, unknown
from cl_bench.datasets.folders import read_suite
from cl_bench.datasets.mini.suite import mini_suite
from cl_bench.datasets.mtil.layout import missing_files, mtil_suite
from cl_bench.datasets.suite import MtilSource, Suite

BUILT_IN = {"mini": mini_suite, "mtil": mtil_suite}


def find_suite(name: str) -> Suite:
    """A built-in suite, or the one that a TOML file describes.

    Raises:
        UserError: there is no such suite, or the file is wrong.
    """
    if name in BUILT_IN:
        return BUILT_IN[name]()
    if name.endswith(".toml"):
        return read_suite(Path(name))
    raise unknown("suite", name, [*BUILT_IN, "a file FILE.toml"])


def check_data(suite: Suite, root: Path | None) -> None:
    """Make sure that the suite's images can be loaded.

    Raises:
        UserError: files are missing; lists, per data set, where they belong.
    """
    if not any(isinstance(task.source, MtilSource) for task in suite.tasks):
        return
    lines = []
    for name, missing in missing_files(root).items():
        state = "found" if not missing else f"missing {', '.join(missing)}"
        lines.append(f"  {name:13s} {state}")
    given = (
        f"under {root}"
        if root
        else "and no data root is given (set CL_BENCH_DATA=FOLDER, or --data-root)"
    )
    raise UserError(
        f"suite {suite.name} needs eleven data sets on disk, {given}:\n"
        + "\n".join(lines)
        + "\nReading them is not part of this version yet; `--suite mini` needs no data, and a "
        "suite file (docs/suites.md) runs on image folders of your own."
    )

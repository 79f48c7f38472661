"""Which suite the choices name, and where its files are: what was typed, else the environment. No torch."""

from __future__ import annotations

import os
from pathlib import Path

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.catalog import find_suite
from cl_bench.datasets.suite import Suite
from cl_bench.experiment.choices import Choices


def suite_of(choices: Choices) -> tuple[Suite, Path | None]:
    """The suite that the choices name, as it is defined here, and the data root.

    Raises:
        UserError: there is no such suite, or its file is wrong.
    """
    root = choices.data_root or environment_root()
    if choices.partial_data and root is None:
        raise UserError("--partial-data needs --data-root DIR (or CL_BENCH_DATA)")
    partial = root.resolve() if root is not None and choices.partial_data else None
    return find_suite(choices.suite or ("mtil" if root else "mini"), partial), root


def environment_root() -> Path | None:
    """The data root that ``CL_BENCH_DATA`` names."""
    root = os.environ.get("CL_BENCH_DATA")
    return Path(root) if root else None


def cache_folder(choices: Choices, root: Path | None) -> Path | None:
    """Where decoded images are kept: the named folder, else one beside the data sets."""
    named = choices.cache or os.environ.get("CL_BENCH_CACHE")
    return Path(named) if named else root and root / "cl-bench-cache"

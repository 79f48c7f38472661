"""A folder of runs in, tables and pictures out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.record import RunResult, read_run, write_atomically
from cl_bench.reports import tables
from cl_bench.reports.figures import save_heat_map


@dataclass(frozen=True)
class Report:
    """What was written, and which runs could not be read and why."""

    files: tuple[Path, ...]
    left_out: tuple[tuple[Path, str], ...]


def find_runs(paths: Sequence[Path]) -> list[Path]:
    """Every run directory at or below ``paths``, sorted."""
    return sorted({config.parent for path in paths for config in path.rglob("config.json")})


def write_report(paths: Sequence[Path], out: Path) -> Report:
    """Write ``table.md``, ``table.csv``, ``table.tex``, ``runs.csv`` and a heat map per run.

    The same runs give the same bytes.

    Raises:
        UserError: there is no run that can be read.
    """
    runs: list[RunResult] = []
    left_out: list[tuple[Path, str]] = []
    for path in find_runs(paths):
        try:
            runs.append(read_run(path))
        except UserError as error:
            left_out.append((path, str(error)))
    if not runs:
        where = ", ".join(map(str, paths))
        reasons = "".join(f" ({reason})" for _, reason in left_out)
        raise UserError(f"no run to report under {where}{reasons}; `cl-bench run` makes one")
    groups = tables.group(runs)
    texts = {
        "table.md": tables.markdown(groups),
        "table.csv": tables.table_csv(groups),
        "table.tex": tables.latex(groups),
        "runs.csv": tables.runs_csv(runs),
    }
    for name, text in texts.items():
        write_atomically(out / name, text.encode())
    pictures = []
    for run in runs:
        slug = out / "figures" / _slug(run)
        pictures += [slug.with_suffix(".png"), slug.with_suffix(".svg")]
        save_heat_map(run, *pictures[-2:])
    return Report((*(out / name for name in texts), *pictures), tuple(left_out))


def _slug(run: RunResult) -> str:
    """A file name that says which run it is."""
    c = run.config
    name = f"{c.suite.name}-{c.order}-{c.method}-seed{c.seed}-{c.digest()}"
    return re.sub(r"[^A-Za-z0-9+-]+", "_", name)

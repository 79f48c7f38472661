"""The picture of a run's matrix that dashboards take along."""

from __future__ import annotations

from pathlib import Path

from cl_bench.benchmark.record import RunResult


def picture_of(result: RunResult) -> Path:
    """The one that the run drew at its end, else a fresh one."""
    picture, matrix = result.picture, result.path / "matrix.csv"
    if not picture.exists() or picture.stat().st_mtime < matrix.stat().st_mtime:
        from cl_bench.reports.plots.heat_map import save_heat_map  # a second beside a short run

        save_heat_map(result, picture)
    return picture

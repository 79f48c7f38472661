"""The runs below some folders: found, read, each once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.record import RunResult, read_run
from cl_bench.reports.runs.row_settings import evidence_of

LeftOut = tuple[Path, str]
"""A run's directory that is not used, and why."""


def find_runs(paths: Sequence[Path]) -> list[Path]:
    """Every directory at or below ``paths`` with a ``config.json`` or a ledger, sorted, each once."""
    names = ("config.json", "ledger.json")  # a run that lost its configuration is still named
    found = sorted({file.parent for path in paths for name in names for file in path.rglob(name)})
    return list({path.resolve(): path for path in reversed(found)}.values())[::-1]


def read_runs(paths: Sequence[Path]) -> tuple[list[RunResult], list[LeftOut]]:
    """Every run at or below ``paths`` that can be read, once; the others with their reason.

    Raises:
        UserError: there is no run, or none that can be read.
    """
    runs, left_out = [], []
    found = find_runs(paths)
    for path in found:
        try:
            runs.append(read_run(path))
        except UserError as error:
            left_out.append((path, str(error)))
    if not runs:
        where = ", ".join(map(str, paths))
        if not found:
            raise UserError(f"no runs under {where}: start one with `cl-bench run`")
        reasons = "; ".join(reason for _, reason in left_out)
        raise UserError(f"no readable run under {where}: {reasons}")
    unique, repeated = _once(runs)
    return unique, sorted([*left_out, *repeated])


def _once(runs: list[RunResult]) -> tuple[list[RunResult], list[LeftOut]]:
    """Keep one run of each configuration and seed: a copy, or the same run again, is no further evidence.

    The one with the most tasks learned stays, of equals the first by path.
    """
    kept: dict[str | tuple[str, ...], RunResult] = {}
    instead: dict[Path, RunResult] = {}
    for run in sorted(runs, key=lambda run: (not run.finished, -len(run.matrix.rows))):
        keys = (run.config.digest(), evidence_of(run.config))
        stays = next((kept[key] for key in keys if key in kept), run)
        kept |= dict.fromkeys(keys, stays)
        instead[run.path] = stays
    repeated = [
        (run.path, f"repeats {instead[run.path].path}: same settings and seed")
        for run in runs
        if instead[run.path] is not run
    ]
    return [run for run in runs if instead[run.path] is run], repeated

"""The main table's numbers for machines: one line per row, and one per run."""

from __future__ import annotations

from collections.abc import Sequence

from cl_bench.reports.runs.group import Group
from cl_bench.reports.runs.metrics import METRICS, metrics_beside
from cl_bench.reports.runs.row import Row
from cl_bench.reports.statistics.spread import Spread
from cl_bench.reports.tables.csv_file import GROUP_HEADER, Value, group_values, to_csv
from cl_bench.reports.tables.fitted import fitted_total


def rows_csv(groups: Sequence[Group]) -> str:
    """One line per row of the main tables: mean and interval of every metric, rounded to what the numbers carry."""
    beside = metrics_beside(*(g.config for g in groups))
    names = [name for m in (*METRICS, *beside) for name in (m, f"{m}_interval95")]
    lines = [
        (
            *group_values(g),
            row.label,
            row.differs,
            _seeds(row),
            len(row.runs),
            *_pairs(row, beside),
            fitted_total(row),
        )
        for g in groups
        for row in g.rows
    ]
    return to_csv(
        (*GROUP_HEADER, "method", "differs", "seeds", "n", *names, "fitted_per_task"), lines
    )


def _seeds(row: Row) -> str:
    return " ".join(str(run.config.seed) for run in row.runs)


def _pairs(row: Row, beside: Sequence[str]) -> list[Value]:
    spreads = (Spread(row.values(metric)) for metric in (*METRICS, *beside))
    return [cell for spread in spreads for cell in (spread.mean, spread.half)]


def runs_csv(groups: Sequence[Group]) -> str:
    """One line per run, finished or not; the metrics of an unfinished one stay empty."""
    lines: list[tuple[Value, ...]] = []
    beside = metrics_beside(*(g.config for g in groups))
    for g in groups:
        members = [(row.label, run) for row in g.rows for run in row.runs]
        for label, run in [*members, *((run.config.method, run) for run in g.unfinished)]:
            metrics = run.metrics()
            status = "finished" if run.finished else run.manifest.stands
            lines += [
                (
                    *group_values(g),
                    label,
                    run.config.seed,
                    run.config.device,
                    run.config.digest(),
                    status,
                    len(run.matrix.rows),
                    *(metrics.get(f) for f in (*METRICS, *beside)),
                    run.path.as_posix(),
                )
            ]
    header = (
        "method",
        "seed",
        "device",
        "digest",
        "status",
        "learned_tasks",
        *METRICS,
        *beside,
        "run",
    )
    return to_csv((*GROUP_HEADER, *header), lines)

"""Tables and comparisons of runs of which some have not ended: every number is that of a plain loop."""

from __future__ import annotations

import csv
import io
import re
import tempfile
from pathlib import Path

import numpy as np
import pytest
from any_matrix import NAMES, by_loops
from fuzzing import cases
from hypothesis import given
from hypothesis import strategies as st
from written_run import write_run

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.matrix import AccuracyMatrix
from cl_bench.benchmark.record import read_run
from cl_bench.reports.runs.find import read_runs
from cl_bench.reports.runs.group import Group, group
from cl_bench.reports.runs.metrics import METRICS
from cl_bench.reports.statistics.side_by_side import side_by_side
from cl_bench.reports.statistics.verdicts import judge
from cl_bench.reports.tables import main, per_task
from cl_bench.reports.tables.sheets import rows_csv, runs_csv

Key = tuple[str, int]  # method and seed
ROUNDED = 1e-4  # cells carry so many digits
RUNS = st.lists(
    st.tuples(st.sampled_from(["lora", "keeplora", "a|b", "=1+1"]), st.integers(0, 3), st.integers(0, 5)),
    min_size=1, max_size=5, unique_by=lambda run: run[:2],
)  # fmt: skip


def cells(text: str) -> list[dict[str, str]]:
    """A table as another program reads it; what we write before a formula taken off again."""
    return [
        {key: cell.removeprefix("'") for key, cell in line.items()}
        for line in csv.DictReader(io.StringIO(text))
    ]


def written(
    folder: Path, runs: list[tuple[str, int, int]], tasks: tuple[str, ...]
) -> dict[Key, Path]:
    """Runs of so many learned tasks; all of them where there are fewer."""
    return {
        (method, seed): write_run(folder, method, seed, tasks, min(learned, len(tasks)), images=8)
        for method, seed, learned in runs
    }


def must_agree(cell: str, values: list[float], within: float) -> None:
    """An empty cell for no values, else their mean."""
    assert (cell == "") == (not values)
    if values:
        assert float(cell) == pytest.approx(np.mean(values), abs=within)


def check_runs(groups: list[Group], matrices: dict[Key, AccuracyMatrix]) -> None:
    """One line per run; the metrics of an unfinished one stay empty."""
    lines = cells(runs_csv(groups))
    assert {(line["method"], int(line["seed"])) for line in lines} == matrices.keys()
    for line in lines:
        a = matrices[line["method"], int(line["seed"])]
        assert int(line["learned_tasks"]) == len(a.rows)
        assert (line["status"] == "finished") == a.complete
        expected = {"zero_shot": by_loops(a)["zero_shot"]} | (by_loops(a) if a.complete else {})
        for metric in METRICS:
            must_agree(line[metric], [expected[metric]] if metric in expected else [], ROUNDED)


def check_rows(groups: list[Group], matrices: dict[Key, AccuracyMatrix]) -> None:
    """One line per method: the mean over its finished runs."""
    finished = {key: by_loops(a) for key, a in matrices.items() if a.complete}
    lines = cells(rows_csv(groups))
    assert sorted(line["method"] for line in lines) == sorted({method for method, _ in finished})
    for line in lines:
        own = [found for (method, _), found in finished.items() if method == line["method"]]
        assert int(line["n"]) == len(own)
        for metric in METRICS:
            must_agree(line[metric], [found[metric] for found in own if metric in found], 0.06)


@cases(10)
@given(RUNS, NAMES)
def test_an_unfinished_run_is_in_no_mean(
    runs: list[tuple[str, int, int]], tasks: tuple[str, ...]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        paths = written(Path(name), runs, tasks)
        found, left_out = read_runs([Path(name)])
        groups = group(found)
        assert not left_out and len(found) == len(runs) and len(groups) == 1
        matrices = {key: read_run(path).matrix for key, path in paths.items()}
        check_runs(groups, matrices)
        check_rows(groups, matrices)
        judged = [judge(g) for g in groups]
        for text in (main.markdown(judged), main.latex(judged), per_task.CHAPTER.markdown(judged)):
            shown = {cell.strip().lower() for cell in re.split(r"[|&\n]", text)}
            assert "nan" not in shown - set(tasks)


@cases(10)
@given(st.integers(0, 3), st.integers(0, 3), NAMES)
def test_two_runs_are_compared_by_their_metrics_or_not_at_all(
    one: int, other: int, tasks: tuple[str, ...]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        paths = written(Path(name), [("lora", 0, one), ("keeplora", 0, other)], tasks)
        a, b = (read_run(path).matrix for path in paths.values())
        if not (a.complete and b.complete):
            with pytest.raises(UserError, match=r"\A[^\n]+\Z"):
                side_by_side(*paths.values())
            return
        compared = side_by_side(*paths.values())
        assert compared.metrics
        for metric, pair in compared.metrics.items():
            assert pair.a == pytest.approx(by_loops(a)[metric], abs=1e-5)
            assert pair.b == pytest.approx(by_loops(b)[metric], abs=1e-5)
            assert pair.difference == pytest.approx(pair.b - pair.a, abs=1e-5)

"""The cost table: sums and means of what the logs say, in the units that it names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from written_run import write_run

from cl_bench.benchmark.record import read_run
from cl_bench.reports.figures.pareto import cost_of
from cl_bench.reports.runs.cost import of_run
from cl_bench.reports.runs.group import group
from cl_bench.reports.statistics.verdicts import judge
from cl_bench.reports.tables import cost

LOG = [
    {"event": "started"},
    {"event": "learned", "seconds": {"prepare": 1.0, "train": 10.0, "consolidate": 0.5},
     "images_drawn": 100, "trainable_parameters": 1_000, "step_flops": 3 * 10**9,
     "peak_memory": {"process": 2**30, "gpu": 3 * 2**30}},
    {"event": "saved", "stored_parameters": 5_000, "bytes": 40_000, "bytes_added": 40_000},
    {"event": "evaluated", "seconds": 2.0},
    {"event": "learned", "seconds": {"train": 20.0}, "images_drawn": 50,
     "trainable_parameters": 3_000, "step_flops": 10**9, "peak_memory": {"process": 2**31, "gpu": 2**30}},
    {"event": "saved", "stored_parameters": 7_000, "bytes": 50_000, "bytes_added": 2**20},
    {"event": "evaluated", "seconds": 4.0},
]  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = write_run(tmp_path, tasks=("a", "b"), sealed=False)
    (path / "events.jsonl").write_text("".join(json.dumps(line) + "\n" for line in LOG))
    return path


def test_figures_of_a_run(path: Path) -> None:
    assert of_run(read_run(path)) == {
        "trainable_parameters": 2_000, "images_drawn": 150, "stored_parameters": 7_000,
        "prepare_seconds": 1.0, "train_seconds": 30.0, "consolidate_seconds": 0.5,
        "evaluate_seconds": 6.0, "bytes_added": 2**20, "process_memory": 2**31,
        "gpu_memory": 3 * 2**30, "step_flops": 2 * 10**9,
    }  # fmt: skip


def test_the_picture_shows_the_tables_numbers(path: Path) -> None:
    """On this log the one used to say 2,000 parameters and the other 3,000."""
    assert cost_of(read_run(path)) == {"parameters": 2_000, "seconds": 31.5, "memory": 3.0}


def test_the_table_names_its_units(path: Path) -> None:
    groups = [judge(g) for g in group([read_run(path)])]
    shown = cost.CHAPTER.markdown(groups)
    assert (
        "| lora | 1 | 2,000 | 7,000 | 1.00 | 1 | 30 | 0 | 6 | 150 | 2.00 | 2.00 | 3.00 |" in shown
    )
    header, line = cost.CHAPTER.csv(groups).splitlines()
    assert dict(zip(header.split(","), line.split(","), strict=False))["train_seconds"] == "30.0"


@pytest.mark.parametrize("damage", ["", '{"event": "learned"}\n'])
def test_a_lost_log_costs_its_own_line_only(damage: str, path: Path) -> None:
    (path / "events.jsonl").write_text(damage)
    assert "| lora | 1 | - |" in cost.CHAPTER.markdown([judge(g) for g in group([read_run(path)])])

"""The cost table: sums and means of what the logs say, in the units that it names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console
from written_run import write_run

from cl_bench.benchmark.record import RunResult, read_run
from cl_bench.benchmark.records.events import Evaluated, Event, Learned, Saved, Started
from cl_bench.reports.plots.pareto import cost_of
from cl_bench.reports.runs.cost import Cost
from cl_bench.reports.runs.group import Group, group
from cl_bench.reports.statistics.verdicts import judge
from cl_bench.reports.tables import cost
from cl_bench.reports.terminal.show import render

NOTHING = {"prepare": 0.0, "train": 0.0, "consolidate": 0.0}
LOG: list[Event] = [
    Started(schema_version=1, digest="0" * 12),
    Evaluated(learned=0, accuracies={"a": 50.0, "b": 50.0}, seconds=0.0),
    Learned(
        task="a", learned=1, steps=10, step_flops=3 * 10**9, images_drawn=100,
        seconds={"prepare": 1.0, "train": 10.0, "consolidate": 0.5}, trainable_parameters=1_000,
        peak_memory={"process": 2**30, "gpu": 3 * 2**30}, diagnostics={},
    ),
    Saved(learned=1, stored_parameters=5_000, bytes=40_000, bytes_added=40_000),
    Evaluated(learned=1, accuracies={"a": 50.0, "b": 50.0}, seconds=2.0),
    Learned(
        task="b", learned=2, steps=10, step_flops=10**9, images_drawn=50,
        seconds=NOTHING | {"train": 20.0}, trainable_parameters=3_000,
        peak_memory={"process": 2**31, "gpu": 2**30}, diagnostics={},
    ),
    Saved(learned=2, stored_parameters=7_000, bytes=50_000, bytes_added=2**20),
    Evaluated(learned=2, accuracies={"a": 50.0, "b": 50.0}, seconds=4.0),
]  # fmt: skip


def write_log(path: Path, events: list[Event]) -> None:
    """A log as it was before there were check sums."""
    lines = (event.model_dump(exclude_none=True, exclude={"sha256"}) for event in events)
    (path / "events.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = write_run(tmp_path, tasks=("a", "b"), sealed=False)
    write_log(path, LOG)
    return path


def only_group(*runs: RunResult) -> Group:
    (found,) = group(runs)
    return found


def test_figures_of_a_run(path: Path) -> None:
    assert Cost.of(read_run(path).known_events) == Cost(
        trainable_parameters=2_000, trainable_least=1_000, trainable_most=3_000, images_drawn=150,
        stored_parameters=7_000, first_bytes=40_000, last_bytes=50_000, bytes_added=2**20,
        prepare_seconds=1.0, train_seconds=30.0, consolidate_seconds=0.5, evaluate_seconds=6.0,
        process_memory=2**31, gpu_memory=3 * 2**30, step_flops=2 * 10**9, kept_images=0,
        kept_bytes=0,
    )  # fmt: skip


def test_training_is_a_share_of_the_devices_matrix_rate(path: Path) -> None:
    """40 GFLOP in 30 s, on a device that would do 10 GFLOP/s on the first task and 5 on the second."""
    rates = {"a": 10.0, "b": 5.0}
    log = [
        e.model_copy(update={"matrix_gflops": rates[e.task]}) if isinstance(e, Learned) else e
        for e in LOG
    ]
    write_log(path, log)
    found = Cost.of(read_run(path).known_events)
    assert found.matrix_share == pytest.approx(40 / (10 * 10 + 5 * 20))
    shown = cost.CHAPTER.markdown([judge(g) for g in group([read_run(path)])])
    assert "| Matrix rate (%) |" in shown and "| 20.00 |" in shown
    console = Console(width=200)
    with console.capture() as captured:
        console.print(render(read_run(path)))
    assert "training at 20.0 % of the device's rate of matrix products" in captured.get()


def test_the_picture_shows_the_tables_numbers(path: Path) -> None:
    """On this log the one used to say 2,000 parameters and the other 3,000."""
    (row,) = only_group(read_run(path)).rows
    assert cost_of(row) == {"parameters": 2_000, "seconds": 31.5, "memory": 3.0}


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


def changed(kind: type[Event], **fields: object) -> list[Event]:
    """The log with other fields in the last event of a kind."""
    place = max(i for i, event in enumerate(LOG) if isinstance(event, kind))
    return [*LOG[:place], LOG[place].model_copy(update=fields), *LOG[place + 1 :]]


def test_a_number_that_one_task_lacks_is_not_known_of_the_run(path: Path) -> None:
    """The mean of the other tasks, or 0 in its place, would pass for the run's."""
    write_log(path, changed(Learned, step_flops=None))
    assert Cost.of(read_run(path).known_events).step_flops is None
    write_log(path, changed(Learned, seconds={"train": 20.0}))
    found = Cost.of(read_run(path).known_events)
    assert (found.prepare_seconds, found.train_seconds, found.learning_seconds) == (
        None,
        30.0,
        None,
    )


def test_a_number_that_one_seed_lacks_is_a_dash_in_table_and_picture(tmp_path: Path) -> None:
    """The table says n = 2: a mean of one of the two would be another number under that name."""
    runs = [write_run(tmp_path, seed=seed, tasks=("a", "b"), sealed=False) for seed in (0, 1)]
    write_log(runs[0], LOG)
    write_log(runs[1], changed(Learned, step_flops=None, seconds={"train": 1.0}))
    only = only_group(*map(read_run, runs))
    (row,) = only.rows
    assert len(row.runs) == 2
    assert "| lora | 2 | 2,000 | 7,000 | 1.00 | - | 20 | - | 6 | 150 | - |" in (
        cost.CHAPTER.markdown([judge(only)])
    )
    assert cost_of(row).keys() == {"parameters", "memory"}


def test_memory_of_two_kinds_is_not_averaged(tmp_path: Path) -> None:
    """One seed on a GPU, one on the CPU: the GPU's memory is that of one, the process's of both."""
    runs = [write_run(tmp_path, seed=seed, tasks=("a", "b"), sealed=False) for seed in (0, 1)]
    write_log(runs[0], LOG)
    on_cpu: list[Event] = [
        event.model_copy(update={"peak_memory": {"process": 2**32}})
        if isinstance(event, Learned)
        else event
        for event in LOG
    ]
    write_log(runs[1], on_cpu)
    (row,) = only_group(*map(read_run, runs)).rows
    mean = Cost.of_runs(row.runs)
    assert (mean.process_memory, mean.gpu_memory) == ((2**31 + 2**32) / 2, None)
    assert cost_of(row)["memory"] == 3.0  # GiB of the process, as in the table


def test_terminal_table_and_picture_say_the_same(path: Path) -> None:
    run = read_run(path)
    console = Console(width=100)
    with console.capture() as captured:
        console.print(render(run))
    shown = captured.get()
    assert "prepare 1.0 s, train 30.0 s, consolidate 0.5 s, evaluate 6.0 s; 150 images" in shown
    assert "process 2.0 GiB, gpu 3.0 GiB" in shown
    assert "1,000 to 3,000 trainable per task, 7,000 stored" in shown
    assert "39.1 KiB after the first task, then 1.0 MiB more per task: 48.8 KiB at the end" in shown


def test_kept_images_are_counted_apart_and_shown_where_there_are_any(path: Path) -> None:
    def shown() -> str:
        return cost.CHAPTER.markdown([judge(only_group(read_run(path)))])

    assert "Kept images (MiB)" not in shown()
    write_log(path, changed(Saved, kept_images=40, kept_bytes=3 * 2**20))
    assert "| Growth a task (MiB) | Kept images (MiB) |" in shown()
    assert "| 7,000 | 1.00 | 3.00 |" in shown(), "neither stored numbers nor growth have them"
    assert cost_of(only_group(read_run(path)).rows[0])["parameters"] == 2_000


def test_an_unfinished_log_costs_what_it_took_so_far() -> None:
    assert Cost.of([]) == Cost() == Cost.mean([])
    one = Cost.of(LOG[:5])
    assert (one.trainable_parameters, one.train_seconds, one.evaluate_seconds) == (1_000, 10.0, 2.0)
    assert (one.stored_parameters, one.bytes_added) == (5_000, None)
    learning = Cost.of(LOG[:2])
    assert (learning.evaluate_seconds, learning.train_seconds) == (0.0, None)


def test_a_lost_log_is_a_remark(path: Path) -> None:
    assert read_run(path).remarks == ()
    write_log(path, [*LOG[:5], *LOG[2:]])
    run = read_run(path)
    assert run.known_events == []
    (remark,) = run.remarks
    assert (
        remark.startswith("its cost is not known: line 6 of ") and "'learned' of task a" in remark
    )

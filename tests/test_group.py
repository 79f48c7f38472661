"""Several processes compute what one computes, and end with one clear line when one of them is lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from group_worker import BESIDE, LOSSES, METHODS
from small_run import small_plan, small_run
from together import together

from cl_bench.benchmark import mid_task
from cl_bench.benchmark.record import RunResult, read_run
from cl_bench.benchmark.records.events import Event, Learned, Resumed, Step, those
from cl_bench.benchmark.records.manifest import read_manifest

BEGUN_BY_ONE = "lora"  # its first task: a run may go on with another number of processes
FLIPS = 1  # of 100 test predictions: an image that lies on the border may fall to either side


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, threads = tmp_path_factory.mktemp("one"), torch.get_num_threads()
    torch.set_num_threads(1)
    for name in METHODS:
        small_run(small_plan(name, **BESIDE.get(name, {})), folder / name)
    torch.set_num_threads(threads)
    return folder


def begin(run: Path) -> None:
    """A run of one process that was killed in its second task, with a state after step 4 of it."""

    def listen(event: Event) -> None:
        if isinstance(event, Step) and event.task == "mini-Food":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        small_run(small_plan(BEGUN_BY_ONE), run, listen=listen, every="4")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("two")
    begin(folder / "process0" / BEGUN_BY_ONE)
    ended = together("learn", folder)
    assert [e.code for e in ended] == [0, 0], ended
    return folder


@pytest.fixture(params=METHODS)
def pair(request: pytest.FixtureRequest, one: Path, two: Path) -> tuple[RunResult, RunResult]:
    name = request.param
    return read_run(one / name), read_run(two / "process0" / name)


def test_two_processes_learn_what_one_learns(pair: tuple[RunResult, RunResult]) -> None:
    alone, both = pair
    assert both.finished and both.config.digest() == alone.config.digest()
    steps, others = (those(run.events, Step) for run in pair)
    trains = alone.config.method != "rail"  # in closed form
    assert len(steps) == (2 if trains else 0)
    for a, b in zip(steps, others, strict=True):
        assert b.loss == pytest.approx(a.loss, rel=1e-3)
    flips = sum(
        int((alone.predictions(row)[task] != both.predictions(row)[task]).sum())
        for row in range(3)
        for task in alone.config.tasks
    )
    assert flips <= FLIPS
    for a, b in zip(those(alone.events, Learned), those(both.events, Learned), strict=True):
        assert b.diagnostics == a.diagnostics, "ranks of subspaces, frozen experts"
        assert b.images_drawn == a.images_drawn and b.steps == a.steps
        assert b.step_flops == pytest.approx(a.step_flops, rel=0.02)
        assert b.trainable_parameters == a.trainable_parameters


def test_two_processes_evaluate_what_is_beside_the_tasks_as_one_does(one: Path, two: Path) -> None:
    alone, both = (read_run(folder / "keeplora") for folder in (one, two / "process0"))
    for row in range(3):
        pairs = zip(
            (*alone.held_out_predictions(row).values(), *alone.retrieval_ranks(row).values()),
            (*both.held_out_predictions(row).values(), *both.retrieval_ranks(row).values()),
            strict=True,
        )
        differ = [int((ours != theirs).sum()) for ours, theirs in pairs]
        assert len(differ) == 4 and max(differ[:2]) <= FLIPS, "two sets, then ranks both ways"
    for name, curves in alone.retrieval.curves().items():
        for recall, curve in curves.items():
            assert both.retrieval.curve(name, recall) == pytest.approx(curve, abs=1), recall
    assert both.held_out.sets == alone.held_out.sets == tuple(alone.config.held_out)


def test_two_processes_go_on_within_a_task_and_leave_nothing_of_it(two: Path) -> None:
    run = read_run(two / "process0" / BEGUN_BY_ONE)
    assert [event.steps_done for event in those(run.events, Resumed)] == [4]
    for name in METHODS:
        files = {file.name for file in (two / "process0" / name / "checkpoints").iterdir()}
        assert files == {"after-02.safetensors"}
        assert not (two / "process1" / name).exists(), "the first one writes"


def test_all_stop_behind_the_step_in_which_one_is_told_to(tmp_path: Path) -> None:
    together("stop", tmp_path)
    said = [json.loads((tmp_path / f"process{rank}.json").read_text()) for rank in range(2)]
    for words in said:
        assert "task mini-StanfordCars is broken off after step 10 of 13" in words
    (kept,) = mid_task.kept(tmp_path / "process0" / "checkpoints")
    assert said[0].startswith("stopped by SIGTERM") and str(kept) in said[0]


def test_gradients_of_a_shared_batch_are_those_of_the_whole(two: Path) -> None:
    """Whatever the loss makes of the features: a softmax over images, a penalty, batches of its own."""
    found = json.loads((two / "process0.json").read_text())
    assert set(found) == set(LOSSES)
    assert max(found.values()) < 1e-4, found
    assert max(found.values()) > 0, "another order of sums must show somewhere"


def test_the_first_process_alone_writes(two: Path) -> None:
    assert {file.name for file in two.iterdir()} == {"process0", "process0.json", "process1.json"}
    for name in METHODS:
        sessions = read_manifest(two / "process0" / name).sessions
        expected = [None, 2] if name == BEGUN_BY_ONE else [2]
        assert [session.hardware.processes for session in sessions] == expected


def test_sums_parts_and_gradients(tmp_path: Path) -> None:
    assert [e.code for e in together("primitives", tmp_path)] == [0, 0]
    seen = [json.loads((tmp_path / f"process{i}.json").read_text()) for i in range(2)]
    assert [s["part"] for s in seen] == [[0, 2], [2, 5]]
    for s in seen:
        assert s["sum"] == [[0, 6], [2, 8], [4, 10]], "also of a tensor that lies in another order"
        assert s["led"] == "from 0"
        assert s["gradients"] == [[1.5, 4.5], [0.5, 0.5], None], "what no process has stays away"
        assert s["turn"] == [True, True], "each turn is waited for"


@pytest.mark.parametrize(
    ("work", "words"),
    [
        ("disagree", "after 1 tasks, process 1 holds other numbers than process 0"),
        ("fail_alone", "process 1: the disk of this one is full"),
        ("die", "one of them has ended, does not answer, or was told to stop"),
        ("hang", "one of them has ended, does not answer, or was told to stop"),
        ("lead_into_an_error", "No such file"),
    ],
)
def test_a_lost_process_ends_all_with_one_line(work: str, words: str, tmp_path: Path) -> None:
    first, other = together(work, tmp_path, timeout=5)
    line = [line for line in first.said.splitlines() if line.startswith("error: ")]
    assert first.code == 2 and len(line) == 1 and words in line[0], first
    assert "Traceback" not in first.said
    if work in ("disagree", "fail_alone", "lead_into_an_error"):
        assert other.code == 2

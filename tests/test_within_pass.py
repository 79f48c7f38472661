"""A run that is broken off within a pass over a task's images goes on within it, as if nothing had happened.

What would be wrong without a word: a batch counted twice or left out, the total of one pass taken for that of
another (of ``before_task`` for ``after_task``, of one that ``continue_task`` makes), the images of a pass drawn in
another order after it, images not counted, a total that has no copy taken for one that has.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from killing import (
    FEW,
    PASSES,
    Counted,
    Killed,
    killed_in_step,
    must_be_the_same,
    undisturbed_run,
    watched_batches,
)
from small_run import fresh, small_plan, small_run
from torch import Tensor

from cl_bench.benchmark import keeper, mid_task
from cl_bench.benchmark.checkpoint import load_checkpoint
from cl_bench.benchmark.keeper import Keeper
from cl_bench.benchmark.method import Method
from cl_bench.benchmark.pass_states import PassStates
from cl_bench.benchmark.passes import summed
from cl_bench.benchmark.records.claims import check_run
from cl_bench.benchmark.stopping import Stopped
from cl_bench.benchmark.task import Batch, TrainingTask
from cl_bench.methods.features import BatchMean, Gram

CPU = torch.device("cpu")
# Whose second task is tried, too, which begins from the checkpoint of the first; the others' is no different.
TWO_TASKS = ("keeplora", "keeplora+", "rail", "lada")


class Kills:
    """Kills behind the second batch of every pass, once, before anything is kept of that batch.

    Attributes:
        batches: how many were added up in all lives.
        passes: which passes they were of.
    """

    def __init__(self) -> None:
        self.batches = 0
        self.passes: set[tuple[object, ...]] = set()

    def __call__(self, of: Keeper, done: int, batches: int) -> None:
        self.batches += 1
        assert of._passes is not None
        this = (of._owner["place"], of._step, of._passes._number)
        if done == 2 and this not in self.passes:
            self.passes.add(this)
            raise Killed


@pytest.mark.parametrize("name", PASSES)
def test_a_run_that_is_killed_in_each_of_its_passes_goes_on_there(
    name: str, tmp_path: Path
) -> None:
    tasks = 2 if name in TWO_TASKS else 1
    plan, run = small_plan(name, tasks=tasks), tmp_path / "run"
    kills, batches = Kills(), list[int]()
    with watched_batches(lambda of, done, count: batches.append(done)):
        undisturbed = small_run(plan, tmp_path / "undisturbed")
    with watched_batches(kills):
        for _ in range(tasks * PASSES[name]):
            with pytest.raises(Killed):
                small_run(plan, run, every="1")
        result = small_run(plan, run, every="1")
    must_be_the_same(result, undisturbed)
    assert check_run(run) == []
    assert len(kills.passes) == tasks * PASSES[name]
    assert kills.batches == len(batches) + len(kills.passes), "only a killed batch comes twice"


def test_after_an_interval_of_time_it_is_kept_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, run, kills = small_plan("keeplora"), tmp_path / "run", Kills()
    seconds = iter(range(0, 10**6, 61))  # between any two looks at the clock
    monkeypatch.setattr(keeper.time, "monotonic", lambda: next(seconds))
    for every, files in (("10h", 0), ("1m", 1)):
        with watched_batches(Kills()), pytest.raises(Killed):
            small_run(plan, run, every=every.replace("10h", "600m"))
        assert len(mid_task.kept(run / "checkpoints")) == files
    with watched_batches(kills), pytest.raises(Killed):
        small_run(plan, run, every="1m")
    must_be_the_same(small_run(plan, run), undisturbed_run("keeplora"))


class WithPasses:
    """A factory of methods that also make passes where the built-in ones make none.

    Attributes:
        totals: by phase, of its passes; each tells the order of the images, too.
    """

    def __init__(self, phases: tuple[str, ...], plan: Any) -> None:
        self.totals: dict[str, list[list[float]]] = {phase: [] for phase in phases}
        self._phases, self._plan = phases, plan

    def __call__(self) -> Method:
        method = fresh(self._plan)
        for phase in self._phases:
            setattr(method, phase, self._with_pass(phase, getattr(method, phase)))
        if "after_step" in self._phases:
            method.before_task = self._remembers(method.before_task)  # type: ignore[method-assign]
            method.continue_task = self._remembers(method.continue_task)  # type: ignore[method-assign]
        return method

    def _with_pass(self, phase: str, work: Callable[[Any], None]) -> Callable[[Any], None]:
        def works(task: Any) -> None:
            self.totals[phase].append(one_pass(self._task if phase == "after_step" else task))
            work(task)

        return works

    def _remembers(self, work: Callable[[TrainingTask], None]) -> Callable[[TrainingTask], None]:
        def works(task: TrainingTask) -> None:
            self._task = task
            work(task)

        return works


def one_pass(task: TrainingTask) -> list[float]:
    def add(total: Tensor, batch: Batch) -> Tensor:
        return total * 1.5 + batch.indices.double()[:3]

    start = torch.zeros(3, dtype=torch.float64)
    return summed(task.epoch(drop_last=True), add, start)[0].tolist()


@pytest.mark.parametrize("method", ["lora", "rail"])
@pytest.mark.parametrize("step", [1, 2])
def test_the_pass_of_one_phase_is_not_taken_for_that_of_another(
    method: str, step: int, tmp_path: Path
) -> None:
    """``continue_task`` makes a pass when a run goes on, which an undisturbed one never makes."""
    plan, run = small_plan(method), tmp_path / "run"
    phases = ("before_task", "continue_task", "after_task")
    undisturbed, killed, resumed = (WithPasses(phases, plan) for _ in range(3))
    small_run(plan, tmp_path / "undisturbed", undisturbed)

    def kill(of: Keeper, done: int, batches: int) -> None:
        assert of._passes is not None
        trained = of._step > 0 if method == "lora" else of._passes._number == 1
        if trained and done == step + 1:
            raise Killed

    with watched_batches(kill), pytest.raises(Killed):
        small_run(plan, run, killed, every="1")
    result = small_run(plan, run, resumed, every="1")
    assert killed.totals["after_task"] == []
    assert resumed.totals["after_task"] == undisturbed.totals["after_task"] != []
    first = resumed.totals["continue_task" if method == "lora" else "before_task"][0]
    assert first == undisturbed.totals["before_task"][0], "the first of a task's orders"
    must_be_the_same(result, small_run(plan, tmp_path / "undisturbed", undisturbed))


def test_a_pass_between_steps_is_no_part_of_a_state(tmp_path: Path) -> None:
    """A step that is repeated makes its pass anew; so does ``after_task`` behind it."""
    plan, run = small_plan("lora"), tmp_path / "run"
    phases = ("after_step", "after_task")
    undisturbed, resumed = (WithPasses(phases, plan) for _ in range(2))
    expected = small_run(plan, tmp_path / "undisturbed", undisturbed)
    with killed_in_step(1, 5):
        small_run(plan, run, WithPasses(phases, plan), every="1")
    assert [path.name[:22] for path in mid_task.kept(run / "checkpoints")] == [
        "within-01-step-000004-"
    ]
    must_be_the_same(small_run(plan, run, resumed, every="1"), expected)
    assert resumed.totals["after_task"] == undisturbed.totals["after_task"]


@pytest.mark.parametrize("every", ["10m", "off"])
def test_a_signal_in_a_pass_keeps_what_is_added_up(every: str, tmp_path: Path) -> None:
    plan, run, kills, batches = small_plan("keeplora"), tmp_path / "run", Kills(), list[int]()

    def tell(of: Keeper, done: int, count: int) -> None:
        if done == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    with watched_batches(tell), pytest.raises(Stopped) as stopped:
        small_run(plan, run, every=every)
    (state,) = mid_task.kept(run / "checkpoints") or [None]
    kept = f"kept in {state}" if every != "off" else "nothing of it is kept"
    said = str(stopped.value)
    assert "is broken off in a pass, after batch 2 of 3" in said and kept in said
    counted = Counted(plan)
    with watched_batches(lambda of, done, count: batches.append(done)):
        result = small_run(plan, run, counted)
    must_be_the_same(result, undisturbed_run("keeplora"))
    assert counted.calls[0] == "before_task"
    assert batches[:2] == ([1, 2] if every == "off" else [3, 1]) and not kills.passes


def test_a_signal_behind_a_short_training_keeps_nothing_and_says_so(tmp_path: Path) -> None:
    """The copy that a state there needs would cost more than what it saves."""
    plan, run, passes = small_plan("keeplora"), tmp_path / "run", list[int]()

    def tell(of: Keeper, done: int, count: int) -> None:
        passes.append(done)
        if passes == [1, 2, 3, 1]:  # one batch into the pass of ``after_task``
            os.kill(os.getpid(), signal.SIGTERM)

    with watched_batches(tell), pytest.raises(Stopped, match="nothing of it is kept; the same"):
        small_run(plan, run, every="10m")
    must_be_the_same(small_run(plan, run), undisturbed_run("keeplora"))


def test_a_damaged_state_of_a_pass_is_not_taken(tmp_path: Path) -> None:
    plan, run = small_plan("keeplora"), tmp_path / "run"
    with watched_batches(Kills()), pytest.raises(Killed):
        small_run(plan, run, every="1")
    (state,) = mid_task.kept(run / "checkpoints")
    content = bytearray(state.read_bytes())
    content[-1] ^= 1  # a bit of a total
    state.write_bytes(content)
    must_be_the_same(small_run(plan, run), undisturbed_run("keeplora"))


def in_file(states: PassStates, folder: Path) -> Mapping[str, Any]:
    """What the file of a state holds of passes."""
    path = folder / "state.safetensors"
    path.write_bytes(states.snapshot().packed())
    found = load_checkpoint(path).get("passes", {})
    assert isinstance(found, dict)
    return found


def statistics() -> dict[str, Any]:
    return {"in": BatchMean(), "out": [Gram(), Gram()]}


def test_totals_of_every_kind_come_back_in_place(tmp_path: Path) -> None:
    x = torch.arange(24.0).reshape(2, 3, 4)
    first, second, states = [torch.zeros(2), torch.zeros(())], statistics(), PassStates({}, CPU)
    assert states.begin(first) == 0
    first[0] += 3
    first[1] += 4
    states.take(5, first)
    first[0] += 100  # whoever asked for the total works on with it
    assert states.begin(second) == 0
    for statistic in (second["in"], *second["out"]):
        statistic.add(x)
    states.take(7, second)
    again, kept = PassStates(in_file(states, tmp_path), CPU), [torch.zeros(2), torch.zeros(())]
    assert again.begin(kept) == 5 and [part.tolist() for part in kept] == [[3, 3], 4]
    new = statistics()
    assert again.begin(new) == 7
    for old, found in zip(second["out"], new["out"], strict=True):
        assert torch.equal(old.gram(), found.gram())
    for statistic in (second["in"], new["in"]):
        statistic.add(x + 1)
    assert torch.equal(second["in"].gram(), new["in"].gram()), "the number of batches is there, too"
    assert again.begin(torch.zeros(())) == 0
    assert in_file(again, tmp_path).keys() == {"0", "1"}, "kept again, for the next kill"


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (0, 3),
        ([], [torch.ones(2)]),
        (torch.zeros(0, 4), torch.ones(3, 4)),
        ([torch.zeros(2), "name"], [torch.ones(2), "name"]),
    ],
)
def test_a_total_of_which_no_copy_can_be_made_is_added_up_anew(
    start: object, end: object, tmp_path: Path
) -> None:
    states = PassStates({}, CPU)
    states.begin(start)
    states.take(3, end)
    total = torch.zeros(2)
    assert states.begin(total) == 0
    states.take(9, total + 1)
    again = PassStates(in_file(states, tmp_path), CPU)
    assert again.begin(start) == 0
    assert again.begin(total) == 9 and total.tolist() == [1, 1]


def test_runs_that_keep_nothing_copy_nothing(tmp_path: Path) -> None:
    def see(of: Keeper, done: int, batches: int) -> None:
        assert of._before is None and of._passes is not None
        assert not of._passes.snapshot().tensors

    with watched_batches(see):
        small_run(small_plan("keeplora", tasks=1, overrides=FEW), tmp_path / "run", every="off")

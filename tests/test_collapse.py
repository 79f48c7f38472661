"""A collapse: when an accuracy is at chance, what is said of it and where, and no false alarm."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import pairwise
from math import comb
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import cl_bench
from numpy.typing import NDArray
from rich.console import Console
from small_run import fresh, small_plan, small_run

from cl_bench.benchmark.collapse import Standing, collapses, standing
from cl_bench.benchmark.method import Method
from cl_bench.benchmark.record import RunFolder, RunResult
from cl_bench.benchmark.records.claims import PROOFS, judged
from cl_bench.benchmark.records.collapses import collapses_of
from cl_bench.benchmark.records.events import Collapsed, Evaluated, Event, those
from cl_bench.benchmark.records.run_log import lines_until
from cl_bench.cli.progress import shown
from cl_bench.reports.report import write_report
from cl_bench.reports.sinks.points import points
from cl_bench.reports.sinks.sink import replay
from cl_bench.reports.sinks.tensorboard_sink import TensorBoardSink
from cl_bench.reports.sinks.wandb_sink import Place, WandbSink

Array = NDArray[np.uint16]


def classes(*counts: int) -> Array:
    """So many images of class 0, 1, ..."""
    return np.repeat(np.arange(len(counts)), counts).astype(np.uint16)


def partly(true: Array, right: int) -> Array:
    """Right for so many images, spread evenly; the next class for the others."""
    c = len(np.unique(true))
    chosen = np.linspace(0, len(true) - 1, right).round().astype(int)
    guesses = ((true + 1) % c).astype(np.uint16)
    guesses[chosen] = true[chosen]
    return guesses


@pytest.mark.parametrize("right", range(0, 201, 4))
def test_the_rule_is_a_binomial_test_at_one_per_cent(right: int) -> None:
    """Ten classes of 20 images each, guessed equally often: the tail by its sum."""
    true = classes(*[20] * 10)
    found = standing(partly(true, right), true)
    p = found.chance / 100
    tail = sum(comb(200, k) * p**k * (1 - p) ** (200 - k) for k in range(right, 201))
    assert found.accuracy == right / 2 and found.images == 200 and p >= 0.1
    assert found.is_at == ("above" if tail <= 0.01 else "chance")
    assert found.is_at == ("above" if right >= 34 else "chance") or 28 <= right < 34


@pytest.mark.parametrize("frequent", [40, 90, 180])
def test_one_class_for_all_images_is_at_chance_however_frequent_it_is(frequent: int) -> None:
    true = classes(frequent, *[20] * 9)
    constant = np.zeros_like(true)
    assert standing(constant, true).is_at == "chance"
    nearly = constant.copy()
    nearly[::50] = 3
    assert standing(nearly, true).is_at == "chance"
    assert standing(partly(true, 3 * len(true) // 4), true).is_at == "above"


def test_better_than_guessing_is_above_chance_below_the_largest_class_too() -> None:
    """80 % of the images are of one class; 60 % right over all classes alike is no collapse."""
    true = classes(800, 50, 50, 50, 50)
    assert standing(partly(true, 600), true).is_at == "above"


@pytest.mark.parametrize(
    ("true", "right"), [(classes(2, 2), 0), (classes(5, 5), 5), (classes(3, 0), 0), (classes(1, 1, 1), 1)]
)  # fmt: skip
def test_too_few_images_tell_nothing(true: Array, right: int) -> None:
    assert standing(partly(true, right), true).is_at == "unknown"


def test_guesses_are_hardly_ever_above_chance_and_halfway_always_is() -> None:
    draw = np.random.default_rng(1)
    true = classes(*[30] * 8)
    guesses = [draw.integers(0, 8, 240).astype(np.uint16) for _ in range(500)]
    above = sum(standing(g, true).is_at == "above" for g in guesses)
    assert above <= 15, "1 % of 500, and what chance adds"
    for c in (2, 5, 50):
        of = classes(*[40] * c)
        assert standing(partly(of, int((1 + 1 / c) / 2 * len(of)) + 1), of).is_at == "above"


def at(*states: str) -> dict[str, Standing]:
    """Where tasks a, b, c and the held-out set h stand."""
    named = dict(zip(("a", "b", "c", "h"), states, strict=True))
    return {name: Standing(10.0, 10.0, 100, is_at) for name, is_at in named.items()}  # type: ignore[arg-type]


ABOVE, CHANCE, UNKNOWN = "above", "chance", "unknown"


@pytest.mark.parametrize(
    ("now", "before", "first", "expected"),
    [
        ((ABOVE,) * 4, (ABOVE,) * 4, (ABOVE,) * 4, []),
        ((ABOVE, CHANCE, ABOVE, ABOVE), (ABOVE,) * 4, (ABOVE,) * 4, ["b learned"]),
        ((ABOVE, CHANCE, ABOVE, ABOVE), (CHANCE,) * 4, (CHANCE,) * 4, ["b learned"]),
        ((CHANCE, ABOVE, CHANCE, CHANCE), (ABOVE,) * 4, (ABOVE,) * 4,
         ["a forgotten", "c zero-shot", "h held-out"]),
        # fallen before: said then, not again
        ((CHANCE, ABOVE, CHANCE, CHANCE), (CHANCE,) * 4, (ABOVE,) * 4, []),
        # at chance from the start: it cannot fall, even from a moment above
        ((ABOVE, ABOVE, CHANCE, CHANCE), (ABOVE,) * 4, (ABOVE, ABOVE, CHANCE, CHANCE), []),
        # what was learned can be forgotten, whatever zero-shot was
        ((CHANCE, ABOVE, ABOVE, ABOVE), (ABOVE,) * 4, (CHANCE,) * 4, ["a forgotten"]),
        ((UNKNOWN,) * 4, (ABOVE,) * 4, (ABOVE,) * 4, []),
        ((CHANCE, ABOVE, CHANCE, CHANCE), (UNKNOWN,) * 4, (UNKNOWN,) * 4, []),
    ],
)  # fmt: skip
def test_what_is_said_after_the_second_of_three_tasks(
    now: tuple[str, ...], before: tuple[str, ...], first: tuple[str, ...], expected: list[str]
) -> None:
    rows = (at(*now), at(*before), at(*first))
    assert [f"{c.task} {c.kind}" for c in collapses(2, ("a", "b", "c"), rows)] == expected


def broken(method: Method, after: int) -> Method:
    """A method whose image tower breaks when it has learned so many tasks: all images look the same."""
    consolidate, count = method.after_task, 0

    def after_task(task: object) -> None:
        nonlocal count
        consolidate(task)  # type: ignore[arg-type]
        count += 1
        if count == after:
            with torch.no_grad():
                projection = method.clip.model.visual.proj
                projection.zero_()

    method.after_task = after_task  # type: ignore[method-assign, assignment]
    return method


@pytest.fixture(scope="module")
def collapsed(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    """A run of three tasks, broken by the second one."""
    plan = small_plan("lora", tasks=3)
    path = tmp_path_factory.mktemp("collapsed") / "run"
    return small_run(plan, path, lambda: broken(fresh(plan), after=2))


def test_the_run_goes_on_and_its_log_says_what_fell_and_when(collapsed: RunResult) -> None:
    tasks = collapsed.config.tasks
    said = [(c.learned, c.task, c.kind) for c in those(collapsed.events, Collapsed)]
    assert collapsed.finished
    assert said[:3] == [
        (2, tasks[0], "forgotten"), (2, tasks[1], "learned"), (2, tasks[2], "zero-shot"),
    ]  # fmt: skip
    assert [s for s in said[3:] if s != (3, tasks[2], "learned")] == [], "each is said once"
    rows = dict(enumerate((collapsed.matrix.zero_shot, *collapsed.matrix.rows)))
    for c in those(collapsed.events, Collapsed):
        assert c.accuracy == rows[c.learned][tasks.index(c.task)] and c.chance >= 100 / 20
        assert f"after task {c.learned}: {c.task}" in c.words and "\n" not in c.words
    for before, event in pairwise(collapsed.events):
        if isinstance(before, Collapsed):
            assert isinstance(event, Collapsed | Evaluated)


def test_it_is_proven_and_one_that_is_left_out_or_added_is_false(
    collapsed: RunResult, tmp_path: Path
) -> None:
    folder = RunFolder(collapsed.path)
    follow = [c for n in range(4) for c in collapses_of(folder, collapsed.config, n)]
    logged = [c.model_copy(update={"time": 0.0}) for c in those(collapsed.events, Collapsed)]
    assert follow == logged and follow
    assert proof(collapsed, collapsed.events) == "proven"
    for changed in ([], logged[1:], [*logged, logged[-1]]):
        others = [e for e in collapsed.events if not isinstance(e, Collapsed)]
        assert proof(collapsed, _with(others, changed)) == "false"


def proof(run: RunResult, events: Sequence[Event]) -> str:
    """What is found of the run's rows, with these events in its log."""
    again = RunResult(run.path, run.config, run.manifest, run.matrix)
    again.__dict__["events"] = events
    return judged("log: rows", PROOFS["log: rows"], again).verdict


def _with(events: list[Event], said: list[Collapsed]) -> list[Event]:
    """The events with these collapses, each before its row."""
    found: list[Event] = []
    for event in events:
        if isinstance(event, Evaluated):
            found += [c for c in said if c.learned == event.learned]
        found.append(event)
    return found


def test_it_stands_on_the_screen_in_the_report_and_on_dashboards(
    collapsed: RunResult,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = [c.words for c in those(collapsed.events, Collapsed)]
    with shown(Console(), collapsed.config) as hear:
        for event in collapsed.events:
            hear(event)
    screen = " ".join("".join(capsys.readouterr()).split())
    assert all(w in screen for w in words) and screen.count("collapse after") == len(words)
    assert cl_bench(monkeypatch, "show", str(collapsed.path)) == 0
    assert words[0] in " ".join(capsys.readouterr().out.split())
    write_report([collapsed.path], tmp_path / "out")
    table, page = ((tmp_path / "out" / name).read_text() for name in ("table.md", "report.html"))
    assert re.search(r"\| lora( \(dirty tree\))? \(collapse\) \| 1 \|", table)
    for w in words:
        assert f"lora, seed 0: {w}" in table.replace("\\", "")
        assert w in page
    alerts = [p.alert for p in points(collapsed.config, collapsed.events) if p.alert]
    assert alerts == words


def test_wandb_is_alerted_offline_and_tensorboard_has_the_words(
    collapsed: RunResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import wandb

    said: list[tuple[str, str]] = []
    monkeypatch.setattr(
        wandb.Run, "alert", lambda self, title, text, level: said.append((title, text))
    )
    replay(collapsed.path, WandbSink(Place(mode="offline", project="p")))
    words = [c.words for c in those(collapsed.events, Collapsed)]
    assert said == [("Collapse", w) for w in words]
    replay(collapsed.path, TensorBoardSink(tmp_path))
    content = b"".join(f.read_bytes() for f in tmp_path.rglob("events.out.*"))
    assert all(w.encode() in content for w in words)


def test_a_frozen_bound_at_chance_is_no_alarm(tmp_path: Path) -> None:
    """Nothing was learned, so nothing collapsed, even where the pre-trained model is at chance."""
    plan = small_plan("zero-shot", tasks=2)
    method = fresh(plan)
    with torch.no_grad():
        method.clip.model.visual.proj.zero_()
    run = small_run(plan, tmp_path / "run", lambda: method)
    assert run.matrix.rows == (run.matrix.zero_shot,) * 2
    assert run.collapses == () and "collapsed" not in (run.path / "events.jsonl").read_text()


def test_a_log_that_is_cut_back_keeps_a_collapse_with_its_row_alone(collapsed: RunResult) -> None:
    """As after a kill between the two: the row is made again, and said again."""
    log = collapsed.path / "events.jsonl"
    for learned in (1, 2):
        events = [event for _, event in lines_until(log, learned)]
        assert isinstance(events[-1], Evaluated) and events[-1].learned == learned
        assert {c.learned for c in those(events, Collapsed)} == {n for n in (2,) if n <= learned}


def test_logs_of_before_need_none(collapsed: RunResult) -> None:
    events = [e for e in collapsed.events if not isinstance(e, Collapsed)]
    old = [events[0].model_copy(update={"schema_version": 3}), *events[1:]]
    assert proof(collapsed, old) == "proven"
    assert json.loads((collapsed.path / "events.jsonl").read_text().splitlines()[0])[
        "schema_version"
    ] == 4  # fmt: skip

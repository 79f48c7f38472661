"""Dashboards: what they are sent, once each, whatever happens to the run or to them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import cl_bench
from small_run import fresh, small_plan, small_run, small_stream
from wandb_file import history, records

from cl_bench.benchmark.matrix import AccuracyMatrix
from cl_bench.benchmark.record import RunFolder, RunResult, read_run
from cl_bench.benchmark.run import run
from cl_bench.reports.sinks import follow
from cl_bench.reports.sinks.follow import following
from cl_bench.reports.sinks.points import Point, points
from cl_bench.reports.sinks.sink import replay
from cl_bench.reports.sinks.tensorboard_sink import TensorBoardSink
from cl_bench.reports.sinks.wandb_sink import Place, WandbSink, run_id

STEPS = ("steps=20",)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    plan = small_plan("keeplora", overrides=STEPS)
    return small_run(plan, tmp_path_factory.mktemp("run") / "run")


@pytest.fixture(autouse=True)
def no_wandb_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("WANDB_MODE", "WANDB_API_KEY", "WANDB_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(follow, "PAUSE", 0.05)


class Kept:
    """A sink that keeps what it gets, or breaks."""

    def __init__(self, known: int = 0, break_at: int | None = None) -> None:
        self.known, self.break_at = known, break_at
        self.taken: list[tuple[int, Point]] = []
        self.result: RunResult | None = None

    def __str__(self) -> str:
        return "the test's sink"

    def begin(self, path: Path) -> int:
        return self.known

    def write(self, number: int, point: Point) -> None:
        if number == self.break_at:
            raise ConnectionError("the network is down\nsecond line")
        self.taken.append((number, point))

    def end(self, result: RunResult | None) -> None:
        self.result = result


def test_figures_so_far_end_as_the_final_ones() -> None:
    rows = ((60.0, 20.0, 30.0), (50.0, 70.0, 10.0), (40.0, 65.0, 80.0))
    tasks, zero_shot = ("a", "b", "c"), (30.0, 30.0, 30.0)
    final = AccuracyMatrix(tasks, zero_shot, rows)
    assert final.so_far() == {name: final.metrics()[name] for name in final.so_far()}
    assert final.so_far().keys() == {"average", "last", "learned", "transfer", "forgetting"}
    two = AccuracyMatrix(tasks, zero_shot, rows[:2]).so_far()
    assert two["last"] == 60.0 and two["forgetting"] == 10.0
    assert two["transfer"] == (20.0 + (30.0 + 10.0) / 2) / 2
    assert two["average"] == pytest.approx((55.0 + 45.0 + 20.0) / 3)
    assert AccuracyMatrix(tasks, zero_shot, ()).so_far() == {}


def test_points_of_a_run(finished: RunResult) -> None:
    found = list(points(finished.config, finished.events))
    trained = [p for p in found if p.axis == "train/step"]
    assert [p.at for p in trained] == [10, 20, 30, 40], "steps count over the whole stream"
    last = [p for p in found if "figures/last" in p.values][-1]
    assert last.at == 2 and last.values["figures/last"] == finished.matrix.metrics()["last"]
    assert last.values["accuracy/Food"] == finished.matrix.rows[-1][1]
    learned = next(p for p in found if "cost/train_seconds" in p.values)
    assert learned.values["cost/images_drawn"] > 0
    assert any(name.startswith("method/") for name in learned.values)


def test_a_run_is_followed_while_it_lasts(tmp_path: Path) -> None:
    plan, sink = small_plan("lora", overrides=STEPS), Kept()
    said: list[str] = []
    with following(tmp_path / "run", [sink], said.append) as tell:
        result = run(
            plan.config, lambda: fresh(plan), small_stream(plan), RunFolder(tmp_path / "run"), tell
        )
    assert [p for _, p in sink.taken] == list(points(result.config, result.events))
    assert [number for number, _ in sink.taken] == list(range(len(sink.taken)))
    assert sink.result is not None and sink.result.finished and not said


def test_a_sink_that_breaks_is_named_once_and_the_run_goes_on(tmp_path: Path) -> None:
    plan, broken, whole = small_plan("lora", overrides=STEPS), Kept(break_at=1), Kept()
    said: list[str] = []
    with following(tmp_path / "run", [broken, whole], said.append) as tell:
        result = run(
            plan.config, lambda: fresh(plan), small_stream(plan), RunFolder(tmp_path / "run"), tell
        )
    assert result.finished and len(whole.taken) > 2
    assert len(said) == 1 and said[0].startswith(
        "the test's sink: the network is down. The run goes"
    )
    assert "\n" not in said[0]


def interrupted(path: Path) -> Iterator[None]:
    """A run that is killed while its second task trains, and then continued."""
    plan = small_plan("lora", overrides=STEPS)

    def kill(event: dict[str, Any]) -> None:
        if event["event"] == "step" and event["task"] == plan.config.tasks[1]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(plan.config, lambda: fresh(plan), small_stream(plan), RunFolder(path), kill)
    yield
    run(plan.config, lambda: fresh(plan), small_stream(plan), RunFolder(path), lambda event: None)
    yield


def test_killed_and_continued_is_one_run_without_gap_or_double(tmp_path: Path) -> None:
    """W&B has the points up to the kill; those that are trained again carry the same numbers."""
    states = interrupted(tmp_path / "run")
    next(states)
    before, after = Kept(), Kept()
    replay(tmp_path / "run", before)
    next(states)
    after.known = len(before.taken)
    replay(tmp_path / "run", after)
    assert before.result is None and after.result is not None
    undisturbed = small_run(small_plan("lora", overrides=STEPS), tmp_path / "undisturbed")
    expected = list(points(undisturbed.config, undisturbed.events))
    both = [*before.taken, *after.taken]
    assert [number for number, _ in both] == list(range(len(expected)))
    for (_, ours), theirs in zip(both, expected, strict=True):
        assert (ours.axis, ours.at, ours.values.keys()) == (
            theirs.axis, theirs.at, theirs.values.keys()
        )  # fmt: skip
        assert ours.values.get("train/loss") == theirs.values.get("train/loss")


def stored(path: Path) -> Path:
    """The one file of the run, once W&B's service has written it to its end."""
    (file,) = path.glob("wandb/offline-run-*/run-*.wandb")
    for _ in range(100):
        if any(record.WhichOneof("record_type") == "exit" for record in records(file)):
            return file
        time.sleep(0.1)
    raise AssertionError(f"{file} has no end")


def test_wandb_offline_holds_the_whole_run(
    finished: RunResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "feedfacefeedfacefeedfacefeedfacefeedface")
    for _ in range(2):  # the second time replaces the first
        replay(finished.path, WandbSink(Place("offline", project="p", tags=("mine",))))
    file = stored(finished.path)
    assert file.name == f"run-{run_id(finished.config)}.wandb"
    rows = history(file)
    expected = list(points(finished.config, finished.events))
    logged = [row for row in rows if "train/step" in row or "task/learned" in row]
    assert len(logged) == len(expected)
    for row, point in zip(logged, expected, strict=True):
        assert row[point.axis] == point.at
        assert {name: row[name] for name in point.values} == pytest.approx(point.values)
    assert rows[-1]["matrix/_type"] == "table-file" and rows[-1]["matrix/nrows"] == 3
    assert rows[-1]["matrix_picture/format"] == "png"
    kinds = Counter(record.WhichOneof("record_type") for record in records(file))
    assert kinds["artifact"] >= 1 and kinds["exit"] == 1
    (about,) = [r.run for r in records(file) if r.WhichOneof("record_type") == "run"][:1]
    c = finished.config
    assert about.project == "p" and about.job_type == "keeplora"
    assert about.run_group.startswith("mini-II-")
    assert set(about.tags) >= {"keeplora", "order II", "seed 0", "tiny-clip", "mine"}
    config = {item.key: json.loads(item.value_json) for item in about.config.update}
    assert (
        config["run"]["method_settings"] == c.method_settings and "sessions" in config["manifest"]
    )
    axes = {
        (r.metric.glob_name or r.metric.name): r.metric.step_metric
        for r in records(file)
        if r.WhichOneof("record_type") == "metric"
    }
    assert axes["train/*"] == "train/step" and axes["accuracy/*"] == "task/learned"
    summary = {
        item.key: json.loads(item.value_json)
        for r in records(file)
        if r.WhichOneof("record_type") == "summary"
        for item in r.summary.update
    }
    assert summary["last"] == finished.matrix.metrics()["last"]
    for path in finished.path.rglob("*"):
        assert not path.is_file() or b"feedface" not in path.read_bytes(), path


def test_tensorboard_holds_the_whole_run_once(finished: RunResult, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for _ in range(2):
        replay(finished.path, TensorBoardSink(tmp_path))
    (folder,) = {path.parent for path in tmp_path.rglob("events.*")}
    read = EventAccumulator(str(folder))
    read.Reload()
    assert [s.step for s in read.Scalars("train/loss")] == [10, 20, 30, 40]
    last = read.Scalars("figures/last")
    assert [s.step for s in last] == [1, 2]
    assert last[-1].value == pytest.approx(finished.matrix.metrics()["last"])


def test_the_command_line_follows_and_syncs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["run", "--suite", "mini", "--method", "zero-shot", "--tasks", "1", "--device", "cpu"]
    command += ["--out", str(tmp_path / "runs"), "--wandb", "offline", "--wandb-tags", "x,y"]
    assert cl_bench(monkeypatch, *command, "--tensorboard", str(tmp_path / "tb")) == 0
    (path,) = (tmp_path / "runs").glob("*/zero-shot/*")
    assert read_run(path).finished and stored(path).exists()
    assert list((tmp_path / "tb").rglob("events.*"))
    assert "wandb" not in json.dumps(json.loads((path / "config.json").read_text()))
    assert cl_bench(monkeypatch, "sync", str(path), "--wandb", "offline") == 0
    assert f"sent {path} to W&B (offline)" in capsys.readouterr().out.replace("\n", "")
    assert cl_bench(monkeypatch, "sync", str(tmp_path / "tb")) == 2
    assert "no runs under" in capsys.readouterr().err
    assert cl_bench(monkeypatch, "run", "--wandb", "onlin") == 2
    assert "unknown mode of W&B 'onlin': did you mean 'online'" in capsys.readouterr().err


def test_without_wandb_it_is_not_even_imported() -> None:
    code = (
        "import sys; from cl_bench.cli import dashboards; from cl_bench.reports.sinks import follow; "
        "assert not dashboards.chosen(None, 'p', None, None, None).sinks(); "
        "assert 'wandb' not in sys.modules and 'tensorboardX' not in sys.modules"
    )
    source = Path(__file__).parent.parent / "src"
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={"PYTHONPATH": str(source), "PATH": ""}
    )

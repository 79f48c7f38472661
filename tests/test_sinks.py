"""Dashboards: what they are sent, once each, whatever happens to the run or to them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import cl_bench
from full_disk import FullTensorBoard, FullWandb
from kept_sink import KeptSink, kept
from small_run import fresh, small_plan, small_run, small_stream
from wandb_file import history, records
from wandb_server import serving

from cl_bench.benchmark.matrix import AccuracyMatrix
from cl_bench.benchmark.record import RunFolder, RunResult, read_run
from cl_bench.benchmark.records.events import Event, Step
from cl_bench.benchmark.run import run
from cl_bench.reports.runs.flat_config import flat_config
from cl_bench.reports.sinks import follow
from cl_bench.reports.sinks.follow import following
from cl_bench.reports.sinks.points import points
from cl_bench.reports.sinks.sink import Sink, replay
from cl_bench.reports.sinks.tensorboard_sink import TensorBoardSink
from cl_bench.reports.sinks.wandb_sink import Place, WandbSink, run_id

STEPS = ("steps=20",)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    plan = small_plan("keeplora", overrides=STEPS)
    return small_run(plan, tmp_path_factory.mktemp("run") / "run")


@pytest.fixture(autouse=True)
def no_wandb_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for name in (
        "WANDB_MODE",
        "WANDB_API_KEY",
        "WANDB_DIR",
        "WANDB_BASE_URL",
        "WANDB_SERVICE",
        "WANDB_SWEEP_ID",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(follow, "PAUSE", 0.05)
    yield
    if "wandb" in sys.modules:  # its service keeps the settings of its first use
        sys.modules["wandb"].teardown()


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
    last = [p for p in found if "metrics/last" in p.values][-1]
    assert last.at == 2 and last.values["metrics/last"] == finished.matrix.metrics()["last"]
    assert last.values["accuracy/Food"] == finished.matrix.rows[-1][1]
    learned = next(p for p in found if "cost/train_seconds" in p.values)
    assert learned.values["cost/images_drawn"] > 0
    assert any(name.startswith("method/") for name in learned.values)


def followed(path: Path, *sinks: Sink) -> tuple[RunResult, list[str]]:
    """A small run with sinks, and what was said of them."""
    plan = small_plan("lora", overrides=STEPS)
    said: list[str] = []
    with following(path, sinks, said.append) as tell:
        result = run(plan.config, lambda: fresh(plan), small_stream(plan), RunFolder(path), tell)
    return result, said


def test_a_run_is_followed_while_it_lasts(tmp_path: Path) -> None:
    result, said = followed(tmp_path / "run", KeptSink(tmp_path / "kept"))
    taken, finished = kept(tmp_path / "kept")
    assert [p for _, p in taken] == list(points(result.config, result.events))
    assert [number for number, _ in taken] == list(range(len(taken)))
    assert finished is True and not said


def test_a_sink_that_breaks_is_named_once_and_the_run_goes_on(tmp_path: Path) -> None:
    broken, whole = KeptSink(tmp_path / "broken", break_at=1), KeptSink(tmp_path / "whole")
    result, said = followed(tmp_path / "run", broken, whole)
    assert result.finished and len(kept(tmp_path / "whole")[0]) > 2
    assert len(said) == 1 and said[0].startswith(
        "the test's sink: the network is down. The run goes"
    )
    assert "\n" not in said[0]


def test_a_sink_that_does_not_end_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "PATIENCE", 3.0)
    result, said = followed(tmp_path / "run", KeptSink(tmp_path / "kept", hang=True))
    assert result.finished and kept(tmp_path / "kept")[1] is True
    assert said == ["the test's sink did not end within 3 s; `cl-bench sync` sends the rest"]


def test_a_full_disk_is_one_line_and_the_run_goes_on(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    sinks: dict[str, Sink] = {
        "W&B (offline)": FullWandb(Place("offline")),
        f"TensorBoard in {tmp_path / 'boards'}": FullTensorBoard(tmp_path / "boards"),
    }
    result, said = followed(tmp_path / "run", *sinks.values())
    assert result.finished and [line.split(": ")[0] for line in sorted(said)] == sorted(sinks)
    assert all("File too large. The run goes on; `cl-bench sync" in line for line in said)
    assert capfd.readouterr() == ("", ""), "nor does its process say more"


def interrupted(path: Path) -> Iterator[None]:
    """A run that is killed while its second task trains, and then continued."""
    plan = small_plan("lora", overrides=STEPS)

    def kill(event: Event) -> None:
        if isinstance(event, Step) and event.task == plan.config.tasks[1]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(plan.config, lambda: fresh(plan), small_stream(plan), RunFolder(path), kill)
    yield
    run(plan.config, lambda: fresh(plan), small_stream(plan), RunFolder(path), lambda event: None)
    yield


def test_killed_and_continued_is_one_run_without_gap_or_double(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """W&B has the points up to the kill; those that are trained again carry the same numbers."""
    states = interrupted(tmp_path / "run")
    with serving(monkeypatch) as server:
        next(states)
        replay(tmp_path / "run", WandbSink(Place("online")))
        (run_of_server,) = server.runs.values()
        before = len(run_of_server.history)
        next(states)
        for _ in range(2):  # the second time has nothing to add
            replay(tmp_path / "run", WandbSink(Place("online", tags=("mine",))))
    assert len(server.runs) == 1 and run_of_server.sessions == 3 and before > 2
    undisturbed = small_run(small_plan("lora", overrides=STEPS), tmp_path / "undisturbed")
    expected = list(points(undisturbed.config, undisturbed.events))
    *ours, matrix = run_of_server.rows()
    assert [row["_step"] for row in (*ours, matrix)] == list(range(len(expected) + 1))
    for row, point in zip(ours, expected, strict=True):
        assert row[point.axis] == point.at and point.values.keys() <= row.keys()
        assert row.get("train/loss") == pytest.approx(point.values.get("train/loss"))
    assert matrix["matrix"]["nrows"] == 3 and matrix["matrix_picture"]["format"] == "png"
    last = undisturbed.matrix.metrics()["last"]
    assert json.loads(run_of_server.summary)["last"] == pytest.approx(last)


def test_an_agent_of_a_wandb_sweep_names_its_run(
    finished: RunResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(monkeypatch) as server:
        monkeypatch.setenv("WANDB_SWEEP_ID", "grid")
        monkeypatch.setenv("WANDB_RUN_ID", "from-the-agent")
        replay(finished.path, WandbSink(Place("online")))
    assert list(server.runs) == ["from-the-agent"]


def test_a_wrong_key_and_an_outage_are_one_line_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "PATIENCE", 3.0)
    with serving(monkeypatch) as server:
        server.refuse = 401
        result, said = followed(tmp_path / "key", WandbSink(Place("online")))
        assert result.finished and len(said) == 1, said
        assert said[0].startswith("W&B (online): ") and "401" in said[0] and "\n" not in said[0]
    monkeypatch.setenv("WANDB_BASE_URL", server.url)  # nobody listens there any more
    result, said = followed(tmp_path / "outage", WandbSink(Place("online")))
    assert result.finished, "W&B's client waits longer than the run"
    assert said == ["W&B (online) did not end within 3 s; `cl-bench sync` sends the rest"]


def test_the_server_goes_away_while_the_run_is_under_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A whole process: it ends soon after its run, whatever W&B's client is waiting for."""
    with serving(monkeypatch) as server:
        code = f"""
import sys
from pathlib import Path
from small_run import fresh, small_plan, small_stream
from cl_bench.benchmark.record import RunFolder
from cl_bench.benchmark.run import run
from cl_bench.reports.sinks import follow
from cl_bench.reports.sinks.wandb_sink import Place, WandbSink
import urllib.request

if __name__ == "__main__":
    follow.PAUSE, follow.PATIENCE = 0.05, 3.0
    path, plan = Path({str(tmp_path / "run")!r}), small_plan("lora", overrides=("steps=20",))
    with follow.following(path, [WandbSink(Place("online"))], print) as tell:
        def listen(event):
            tell(event)
            if event.event == "learned" and event.learned == 1:
                urllib.request.urlopen({server.url + "/leave-once-used"!r}, b"{{}}").read()
        run(plan.config, lambda: fresh(plan), small_stream(plan), RunFolder(path), listen)
    print("the run is over")
"""
        (tmp_path / "script.py").write_text(code)
        ended = subprocess.run(
            [sys.executable, tmp_path / "script.py"],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert "did not end within 3 s; `cl-bench sync` sends the rest\nthe run is over" in ended.stdout
    assert read_run(tmp_path / "run").finished


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
    assert config == flat_config(c, finished.manifest) | {"_wandb": config["_wandb"]}
    axes = {
        (r.metric.glob_name or r.metric.name): r.metric.step_metric
        for r in records(file)
        if r.WhichOneof("record_type") == "metric"
    }
    assert axes["train/loss"] == "train/step" and axes["accuracy/*"] == "task/learned"
    assert axes["train/2-Food/*"] == "train/2-Food/step"
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
    last = read.Scalars("metrics/last")
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
        "assert dashboards.chosen({}) == dashboards.Dashboards(); "
        "assert 'wandb' not in sys.modules and 'tensorboardX' not in sys.modules"
    )
    source = Path(__file__).parent.parent / "src"
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={"PYTHONPATH": str(source), "PATH": ""}
    )

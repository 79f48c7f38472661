"""What W&B is sent: of which machine, under which names, and the configuration of no other run."""

from __future__ import annotations

import json
import multiprocessing
import subprocess
from pathlib import Path
from typing import Any

import pytest
import wandb
from command_line import cl_bench
from small_run import small_plan, small_run
from test_sinks import no_wandb_settings, stored
from wandb_file import history, records
from wandb_server import serving
from written_beside import write_run_beside

from cl_bench.benchmark.record import RunResult
from cl_bench.cli.dashboards import BoardOptions, chosen
from cl_bench.experiment.class_names import class_names, suite_of_run
from cl_bench.reports.runs.flat_config import flat_config
from cl_bench.reports.sinks.points import points
from cl_bench.reports.sinks.predictions import COLUMNS, prediction_rows
from cl_bench.reports.sinks.sink import replay
from cl_bench.reports.sinks.wandb_sink import About, Place, WandbSink, run_id

alone = pytest.fixture(autouse=True)(no_wandb_settings.__wrapped__)  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    plan = small_plan("lora", overrides=("steps=20",))
    return small_run(plan, tmp_path_factory.mktemp("run") / "run")


def sent(run: RunResult, place: Place, about: About | None = None) -> Path:
    """The file of a run that was written offline."""
    replay(run.path, WandbSink(place, about))
    return stored(run.path)


def of_kind(file: Path, kind: str) -> list[Any]:
    return [getattr(r, kind) for r in records(file) if r.WhichOneof("record_type") == kind]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The working directory in a git repository; its commit."""
    git = ["git", "-c", "user.email=a@b.c", "-c", "user.name=n"]
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "x"]):
        subprocess.run([*git, *words], check=True)
    return subprocess.check_output(["git", "rev-parse", "HEAD"], text=True).strip()


def test_a_live_run_sends_machine_and_git_state(finished: RunResult, repository: str) -> None:
    file = sent(finished, Place("offline", machine=True))
    assert {run.git.commit for run in of_kind(file, "run")} == {repository}
    assert of_kind(file, "environment")[0].host
    assert of_kind(file, "stats"), "system metrics"


def test_without_it_nothing_of_this_machine_is_sent(finished: RunResult, repository: str) -> None:
    """As in a sync: the machine that sends a run need not be the one that made it."""
    file = sent(finished, Place("offline"))
    (run,) = of_kind(file, "run")[:1]
    assert not run.git.commit and not run.host
    assert not of_kind(file, "environment") and not of_kind(file, "stats")
    assert repository.encode() not in file.read_bytes()
    assert not list(file.parent.rglob("requirements.txt"))


def test_no_git_is_no_trouble(finished: RunResult, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    (run,) = of_kind(sent(finished, Place("offline", machine=True)), "run")[:1]
    assert not run.git.commit and run.display_name == "lora II seed0"


def test_the_options_lead_to_the_place(finished: RunResult) -> None:
    options = {
        "wandb": "offline", "wandb_group": "g", "wandb_name": "my run", "wandb_notes": "why",
        "wandb_predictions": True,
    }  # fmt: skip
    boards = chosen(options)
    assert boards.wandb is not None and boards.wandb.machine
    off = chosen({**options, "wandb_no_system": True}).wandb
    assert off is not None and not off.machine
    (sink,) = boards.sinks(finished.config, finished.path)
    replay(finished.path, sink)
    (run,) = of_kind(stored(finished.path), "run")[:1]
    assert (run.run_group, run.display_name, run.notes) == ("g", "my run", "why")
    assert "predictions/nrows" in history(stored(finished.path))[-1]


def test_the_name_follows_from_the_run(finished: RunResult) -> None:
    (sink,) = chosen({"wandb": "offline"}).sinks(finished.config, finished.path)
    replay(finished.path, sink)
    (run,) = of_kind(stored(finished.path), "run")[:1]
    assert run.display_name == "lora II seed0 tasks=2 steps=20"
    assert finished.config.budget.steps["mini-Food"] == 20


@pytest.mark.parametrize(
    "command",
    [
        ["run", "--method", "zero-shot", "--seeds", "0,1"],
        ["sweep", "--methods", "zero-shot,lora", "--orders", "II"],
    ],
)
def test_one_name_is_not_given_to_several_runs(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    words = [*command, "--suite", "mini", "--wandb", "offline", "--wandb-name", "one"]
    assert cl_bench(monkeypatch, *words, "--out", str(tmp_path / "out")) == 2
    assert "--wandb-name 'one' would be the name of 2 runs" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_every_option_is_a_key_of_a_config_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "run.toml"
    switches = ("wandb_no_system", "wandb_predictions")
    texts = [name for name in BoardOptions.model_fields if name not in (*switches, "tensorboard")]
    values = [f'{name} = "offline"' for name in texts] + [f"{name} = true" for name in switches]
    file.write_text("\n".join([*values, 'suite = "mini"', 'method = "zero-shot"']))
    caught: list[Any] = []
    monkeypatch.setattr("cl_bench.cli.execute.run_command", lambda *given: caught.append(given))
    assert cl_bench(monkeypatch, "run", "--config", str(file)) == 0
    place = caught[0][4].wandb
    assert (place.group, place.name, place.notes, place.machine) == (*["offline"] * 3, False)
    assert caught[0][4].predictions is True


def test_the_table_of_predictions_is_whole(
    finished: RunResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it is longer than W&B's tables are, which cuts them off without a word."""
    monkeypatch.setattr(wandb.Table, "MAX_ROWS", 5)
    monkeypatch.setattr(wandb.Table, "MAX_ARTIFACT_ROWS", 5)
    classes = class_names(finished.config, suite_of_run(finished.config, finished.path))
    rows = prediction_rows(finished, classes)
    file = sent(finished, Place("offline"), About(classes=classes))
    (table,) = file.parent.glob("files/media/table/predictions_*.table.json")
    written = json.loads(table.read_text())
    assert written["columns"] == list(COLUMNS) and written["data"] == [list(row) for row in rows]
    assert len(rows) > 5 and history(file)[-1]["predictions/nrows"] == len(rows)


def test_predictions_can_follow_later_and_come_once(
    finished: RunResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    classes = class_names(finished.config, suite_of_run(finished.config, finished.path))
    count = len(list(points(finished.config, finished.events)))
    with serving(monkeypatch) as server:
        replay(finished.path, WandbSink(Place("online")))
        for _ in range(2):
            replay(finished.path, WandbSink(Place("online"), About(classes=classes)))
    rows = server.runs[run_id(finished.config)].rows()
    assert [row["_step"] for row in rows] == list(range(count + 2))
    assert rows[-1]["predictions"]["nrows"] == len(prediction_rows(finished, classes))


def test_a_continued_run_has_its_own_configuration(
    finished: RunResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    """W&B holds another run's under the same identity, as an agent of a sweep may cause it."""
    with serving(monkeypatch) as server:
        monkeypatch.setenv("WANDB_SWEEP_ID", "grid")
        monkeypatch.setenv("WANDB_RUN_ID", "one")
        replay(finished.path, WandbSink(Place("online")))
        stale = {"lr": {"value": 9.0}, "seed": {"value": 7}, "run": {"value": {"seed": 7}}}
        server.runs["one"].config = json.dumps(stale)
        replay(finished.path, WandbSink(Place("online")))
    kept = {k: v["value"] for k, v in json.loads(server.runs["one"].config).items()}
    flat = flat_config(finished.config, finished.manifest)
    assert {key: kept[key] for key in flat} == flat


def test_every_loss_is_drawn_under_its_own_task(finished: RunResult) -> None:
    """Over the steps of the task; the boundaries are where the number of the task steps up."""
    rows = [row for row in history(sent(finished, Place("offline"))) if "train/step" in row]
    assert [(r["train/step"], r["train/task"]) for r in rows] == [
        (10, 1),
        (20, 1),
        (30, 2),
        (40, 2),
    ]
    names = ("1-StanfordCars", "2-Food")
    for row in rows:
        own, other = names[row["train/task"] - 1], names[2 - row["train/task"]]
        assert row[f"train/{own}/loss"] == row["train/loss"]
        assert row[f"train/{own}/step"] == (row["train/step"] - 1) % 20 + 1
        assert not [name for name in row if other in name]


def test_no_pattern_of_an_axis_covers_another_axis_names(finished: RunResult) -> None:
    """W&B says nothing of which of two patterns goes first."""
    file = sent(finished, Place("offline"))
    metrics = [(m.glob_name or m.name, m.step_metric) for m in of_kind(file, "metric")]
    patterns = [name.removesuffix("*") for name, _ in metrics if name.endswith("*")]
    assert len(patterns) >= 6
    for name, _ in metrics:
        covered = [p for p in patterns if name.startswith(p) and name != f"{p}*"]
        assert covered in ([], [name.removesuffix("step")]), name


def test_metrics_of_the_process_that_trains(
    finished: RunResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sink lives in a process of its own; its memory is not the run's."""
    seen: dict[str, Any] = {}

    def init(**given: Any) -> None:
        seen.update(given)
        raise ConnectionError

    monkeypatch.setattr(wandb, "init", init)
    trains = multiprocessing.current_process()
    monkeypatch.setattr("cl_bench.reports.sinks.wandb_sink.parent_process", lambda: trains)
    with pytest.raises(ConnectionError):
        WandbSink(Place("offline", machine=True)).begin(finished.path)
    assert seen["settings"].x_stats_pid == trains.pid


@pytest.mark.filterwarnings("ignore::pydantic.PydanticDeprecatedSince20")  # wandb-workspaces' own
def test_a_workspace_has_a_panel_for_every_number_that_is_sent(
    finished: RunResult, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is drawn over what, as the run's own points have it."""
    words = ("sync", str(finished.path), "--wandb-project", "mine", "--wandb-entity", "me")
    with serving(monkeypatch) as server:
        assert cl_bench(monkeypatch, *words, "--workspace") == 0
    (view,) = server.views
    assert (view["entityName"], view["projectName"]) == ("me", "mine")
    assert "workspace  http" in capsys.readouterr().out
    bank = json.loads(view["spec"])["section"]["panelBankConfig"]
    plots = [panel["config"] for section in bank["sections"] for panel in section["panels"]]
    drawn = {(plot["xAxis"], name) for plot in plots for name in plot["metrics"]}
    sent = set()
    for row in server.runs[run_id(finished.config)].rows():
        for axis in [name for name in row if name.endswith("/step") or name == "task/learned"]:
            sent |= {(axis, name) for name in row}
    assert len(drawn) == len(plots) == 10 and drawn <= sent


@pytest.mark.filterwarnings("ignore::pydantic.PydanticDeprecatedSince20")
def test_sets_beside_the_tasks_have_panels_and_stand_in_the_summary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_run_beside(tmp_path, "lora", 0, (38, 36, 30, 20), (38, 36, 30, 10))
    with serving(monkeypatch) as server:
        words = ("sync", str(path), "--wandb-project", "mine", "--wandb-entity", "me")
        assert cl_bench(monkeypatch, *words, "--workspace") == 0
    (view,) = server.views
    bank = json.loads(view["spec"])["section"]["panelBankConfig"]
    of_section = {
        s["name"]: [p["config"]["metrics"] for p in s["panels"]] for s in bank["sections"]
    }
    assert of_section["Held-out and retrieval sets"] == [
        ["held_out/signs"], ["held_out/boards"],
        ["retrieval/album/image_to_text@1"], ["retrieval/album/text_to_image@1"],
    ]  # fmt: skip
    (sent,) = server.runs.values()
    summary = json.loads(sent.summary)
    assert (summary["held_out_last"], summary["retrieval_last"]) == pytest.approx((50.0, 25.0))


@pytest.mark.parametrize("more", [["--wandb", "offline"], ["--to", "tensorboard"]])
def test_a_workspace_needs_the_server(
    more: list[str], finished: RunResult, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert cl_bench(monkeypatch, "sync", str(finished.path), "--workspace", *more) == 2
    assert "--workspace makes a view on W&B's server" in capsys.readouterr().err


def test_sync_sends_predictions_of_a_run_whose_suite_is_found(
    finished: RunResult, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["sync", str(finished.path), "--wandb", "offline", "--wandb-predictions"]
    assert cl_bench(monkeypatch, *words) == 0
    assert "predictions/nrows" in history(stored(finished.path))[-1]
    monkeypatch.setattr("cl_bench.datasets.catalog.BUILT_IN", {})
    assert cl_bench(monkeypatch, *words) == 2
    assert "unknown suite 'mini'" in capsys.readouterr().err

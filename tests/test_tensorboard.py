"""TensorBoard's files read back: curves by task, the matrix, the plan, and metrics of whole runs alone."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
from written_beside import write_run_beside
from written_run import write_run

from cl_bench.benchmark.config import Budget, Recipe
from cl_bench.benchmark.record import read_run
from cl_bench.reports.plots.heat_map import save_heat_map
from cl_bench.reports.runs.flat_config import flat_config
from cl_bench.reports.sinks.sink import replay
from cl_bench.reports.sinks.tensorboard_sink import TensorBoardSink

TASKS = ("toy-a", "toy-b", "toy-c")


def board(run: Path, root: Path) -> EventAccumulator:
    replay(run, TensorBoardSink(root))
    (folder,) = {path.parent for path in root.rglob("events.*")}
    read = EventAccumulator(str(folder))
    read.Reload()
    return read


def hparams(read: EventAccumulator) -> dict[str, Any]:
    kept = read.summary_metadata
    found = {}
    for tag in [tag for tag in kept if tag.startswith("_hparams_/")]:
        found[tag.removeprefix("_hparams_/")] = HParamsPluginData.FromString(
            kept[tag].plugin_data.content
        )
    return found


def test_every_task_has_its_own_curve(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run", sealed=False)
    lines = [json.loads(line) for line in (path / "events.jsonl").read_text().splitlines()]
    for line in lines:  # a loss that says whose it is
        if line["event"] == "step":
            line["loss"] = 100.0 * (TASKS.index(line["task"]) + 1) + line["step"]
    (path / "events.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    read = board(path, tmp_path / "tb")
    for n, name in enumerate("abc", start=1):
        curve = read.Scalars(f"train/{n}-{name}/loss")
        assert [(s.step, s.value) for s in curve] == [(i, 100.0 * n + i) for i in range(1, 11)]
    boundaries = [s.value for s in read.Scalars("train/task")]
    assert boundaries == [1] * 10 + [2] * 10 + [3] * 10
    assert [s.step for s in read.Scalars("train/loss")] == list(range(1, 31))


def test_the_matrix_is_a_picture_of_this_run(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run")
    (shown,) = board(path, tmp_path / "tb").Images("matrix")
    save_heat_map(read_run(path), tmp_path / "again.png")
    ours, theirs = (
        np.asarray(Image.open(source).convert("RGB"))
        for source in (tmp_path / "again.png", io.BytesIO(shown.encoded_image_string))
    )
    np.testing.assert_array_equal(ours, theirs)


def test_metrics_and_settings_stand_side_by_side(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run", method_settings={"rank": 16, "lr": 9.0})
    run, read = read_run(path), board(path, tmp_path / "tb")
    found = hparams(read)
    values = {
        key: getattr(value, value.WhichOneof("kind"))
        for key, value in found["session_start_info"].session_start_info.hparams.items()
    }
    flat = flat_config(run.config, run.manifest)
    assert values == {key: "none" if value is None else value for key, value in flat.items()}
    assert (values["rank"], values["lr"], values["method/lr"]) == (16, 1e-3, 9.0)
    names = [m.name.tag for m in found["experiment"].experiment.metric_infos]
    assert names == ["final/transfer", "final/average", "final/last"]
    for name in names:
        (value,) = read.Scalars(name)
        assert value.value == pytest.approx(run.matrix.metrics()[name.removeprefix("final/")])
    assert "session_end_info" in found


def test_what_is_evaluated_beside_the_tasks_is_there_by_name(tmp_path: Path) -> None:
    path = write_run_beside(tmp_path / "run", "lora", 0, (38, 36, 30, 20), (38, 36, 30, 10))
    read = board(path, tmp_path / "tb")
    for name, value in (("held_out_last", 50.0), ("retrieval_last", 25.0)):
        (last,) = read.Scalars(f"final/{name}")
        assert last.value == pytest.approx(value)
    assert [s.value for s in read.Scalars("held_out/signs")] == pytest.approx([95, 90, 75, 50])


@pytest.mark.parametrize("learned", [0, 1, 2])
def test_a_run_that_is_not_finished_has_no_metrics_there(tmp_path: Path, learned: int) -> None:
    """What it reached so far would be taken for its result."""
    read = board(write_run(tmp_path / "run", learned=learned), tmp_path / "tb")
    found = hparams(read)
    assert "session_start_info" in found and "session_end_info" not in found
    promised = {m.name.tag for m in found["experiment"].experiment.metric_infos}
    assert len(promised) == 3 and not promised & set(read.Tags()["scalars"])
    assert "matrix" not in read.Tags()["images"]


def test_a_single_task_has_the_metrics_that_exist(tmp_path: Path) -> None:
    read = board(write_run(tmp_path / "run", tasks=("one",)), tmp_path / "tb")
    final = {tag for tag in read.Tags()["scalars"] if tag.startswith("final/")}
    assert final == {"final/average", "final/last"}


def test_the_plan_says_what_is_learned(tmp_path: Path) -> None:
    steps = {"toy-a": 1000, "toy-b": 20, "toy-c": 30}
    recipe = Recipe(lr=1e-3, lr_per_task={"toy-b": 5e-4})
    path = write_run(
        tmp_path / "run", budget=Budget(batch_size=64, steps=steps), recipe=recipe, learned=0
    )
    read = board(path, tmp_path / "tb")
    (plan,) = read.Tensors("plan/text_summary")
    text = plan.tensor_proto.string_val[0].decode()
    assert "| 1 | toy-a | 1,000 | 0.001 | 64,000 |" in text
    assert "| 2 | toy-b | 20 | 0.0005 | 1,280 |" in text and "batch" not in text.split("| n |")[1]

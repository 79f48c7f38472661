"""What can be known without a model is answered without importing torch, open_clip or torchvision."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import open_clip
import pytest

from cl_bench.datasets.pretrained import open_clip_tables
from cl_bench.methods.catalog import BUILT_IN, find_method

ROOT = Path(__file__).parents[1]
OLD = Path(__file__).parent / "data" / "runs-of-2026-11"
FINISHED = next(OLD.glob("seed0-*"))
HEAVY = ("torch", "open_clip", "torchvision")
NOT_PYTHON = "{tmp}/wrong.py"

MISTAKES = {  # a command -> what its one line says
    "run --method keeplroa": "unknown method 'keeplroa': did you mean 'keeplora'",
    "run --suite mimi": "unknown suite 'mimi': did you mean 'mini'",
    "run --suite gone.toml": "gone.toml does not exist",
    "run --order III": "unknown order of suite mini",
    "run --order mini-DTD,nope": "unknown task of suite mini",
    "run --tasks 99": "--tasks 99: the order has 11 tasks",
    "run --preset papre": "preset: ",
    "run --protocol mtl": "protocol: ",
    "run --shots 0": "shots: ",
    "run --seed -1": "seed: ",
    "run --seeds a,b": "--seeds",
    "run --orders I,III": "unknown order of suite mini",
    "run --orders DTD,Food": "is a task and no order",
    "run --orders I --order I": "not both",
    "run --set lr": "is not key=value",
    "run --set rank=0": "rank: Input should be greater than or equal to 1 (given: 0)",
    "run --set rnak=4": "did you mean 'rank'",
    "run --set prompts=all": "prompts: Input should be 'first' or 'ensemble'",
    "run --set schedule=cosine": "schedule: ",
    "run --set lr=-1": "lr: ",
    "run --set batch_size=0": "batch_size: ",
    "run --set epochs=0": "epochs: ",
    "run --method zscl --set teacher=none": "teacher: ",
    "run --method moe-adapters --set experts=1": "experts = 1 is fewer than top_k",
    "run --precision fp8": "precision: ",
    "run --device gpu": "the device 'gpu'",
    "run --backbone ViT-B-61:openai": "unknown backbone",
    "run --backbone ViT-B-16": "needs weights",
    "run --backbone ViT-B-16:opnai": "did you mean 'openai'",
    "run --backbone RN50:openai": "a ResNet",
    "run --backbone ViT-B-16-quickgelu:gone.pt": "gone.pt does not exist",
    "run --method individual --protocol x-tail": "told whose classes",
    "run --preset paper --shots 4": "no few-shot budgets",
    "run --suite mtil": "needs 11 data sets on disk",
    "run --suite mtil --method zscl": "--reference-images",
    "run --method zscl --reference-images gone": "gone is not a folder",
    "run --method zscl --reference-texts gone.txt": "gone.txt",
    "run --partial-data": "--partial-data needs --data-root",
    "run --plugin gone.py --method own": "gone.py does not exist",
    "run --plugin {tmp}/wrong.py --method own": "wrong.py cannot be loaded",
    "run --config gone.toml": "gone.toml does not exist",
    "run --config {tmp}/wrong.toml": "unknown key",
    "run --wandb onlin": "unknown mode of W&B",
    "sweep --methods lora,keeplroa": "did you mean 'keeplora'",
    "sweep --methods lora,keeplora:rank=0": "rank: ",
    "sweep --methods lora --orders DTD,Food": "is a task and no order",
    "sweep --methods lora --launcher slrm": "did you mean 'slurm'",
    "resume gone": "gone is not a whole run",
    "show gone": "gone is not a whole run",
    "why gone gone": "gone is not a whole run",
    "compare gone gone": "no runs under gone",
    "verify gone": "no runs under gone",
    "verify": "no runs under runs",
    "report": "no runs under runs",
    "report gone": "no runs under gone",
    "sync gone": "no runs under gone",
    "published --order IV": "nothing published",
    "list orders --suite mimi": "did you mean 'mini'",
    "data status": "where are the data sets",
    "data status DDT --data-root {tmp}": "did you mean 'DTD'",
    "data prepare DDT --data-root {tmp}": "did you mean 'DTD'",
    "data verify DDT --data-root {tmp}": "did you mean 'DTD'",
    "data cache DDT --data-root {tmp}": "did you mean 'DTD'",
    "data sample DDT --data-root {tmp}": "did you mean 'DTD'",
    "data zero-shot DDT --data-root {tmp}": "did you mean 'DTD'",
    "data zero-shot DTD --data-root {tmp} --backbone ViT-B-16:opnai": "did you mean 'openai'",
    "data zero-shot DTD --data-root {tmp} --device gpu": "the device 'gpu'",
    "data check mimi": "did you mean 'mini'",
    "data check mtil": "needs 11 data sets on disk",
}  # fmt: skip
ANSWERS = {  # a command -> what it prints
    "list methods": "keeplora-kd",
    "list suites": "x-tail",
    "list orders": "mini-Aircraft",
    "list orders --suite mtil": "StanfordCars",
    "list datasets --suite x-tail": "classes",
    "list backbones": "ViT-B-16-quickgelu",
    "published": "Zero-shot",
    "published --json": '"zero_shot"',
    "list settings lora --json": '"alpha"',
    f"show {FINISHED}": "Transfer",
    f"why {FINISHED} {FINISHED}": "Nothing differs",
    f"compare {FINISHED} {FINISHED}": "cannot be told apart",
    f"compare {FINISHED} {FINISHED} --json": '"alike"',
    f"show {FINISHED} --json": '"transfer"',
}
# Runs every command of a list in one process; tells of each its code, its words, and what it imported.
TELL = """\
import contextlib, io, json, sys
from cl_bench.cli import app
told = {}
for command in json.load(sys.stdin):
    sys.argv, said = ["cl-bench", *command.split()], io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            app.main()
        except SystemExit as stopped:
            code = stopped.code
    told[command] = (code, said.getvalue(), [m for m in HEAVY if m in sys.modules])
sys.__stdout__.write(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("here")
    (folder / "wrong.py").write_text("class Own(Method:\n")
    (folder / "wrong.toml").write_text("metod = 'lora'\n")
    commands = [command.format(tmp=folder) for command in (*MISTAKES, *ANSWERS)]
    run = subprocess.run(
        [sys.executable, "-c", f"HEAVY = {HEAVY}\n{TELL}"],
        input=json.dumps(commands),
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": os.environ["PATH"], "COLUMNS": "200"},
    )
    answers = json.loads(run.stdout)
    return dict(zip((*MISTAKES, *ANSWERS), (answers[command] for command in commands), strict=True))


@pytest.mark.parametrize("command", MISTAKES)
def test_a_mistake_is_answered_without_torch(command: str, told: dict[str, Any]) -> None:
    code, words, imported = told[command]
    assert (code, imported) == (2, [])
    assert words.startswith("error: ") and MISTAKES[command] in words


@pytest.mark.parametrize("command", ANSWERS)
def test_what_is_only_read_is_shown_without_torch(command: str, told: dict[str, Any]) -> None:
    code, words, imported = told[command]
    assert (code or 0, imported) == (0, [])
    assert ANSWERS[command] in words


def test_the_check_can_tell() -> None:
    code = f"import cl_bench.datasets.streams, sys\nprint([m for m in {HEAVY} if m in sys.modules])"
    env = {"PYTHONPATH": str(ROOT / "src"), "PATH": ""}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert "torch" in run.stdout


@pytest.mark.parametrize("name", BUILT_IN)
def test_what_is_said_of_a_class_is_what_it_says(name: str) -> None:
    """What stands in settings files and beside them must never differ from the method's own class."""
    entry = find_method(name)
    assert entry.method.Config is entry.Config
    assert (entry.method.bound, entry.method.told_task) == (entry.bound, entry.told_task)


def test_open_clips_tables_are_read_as_open_clip_reads_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = open_clip.list_models()
    tags = {name: open_clip.list_pretrained_tags_by_model(name) for name in names}
    asked = {n: {t: open_clip.get_pretrained_cfg(n, t) for t in of} for n, of in tags.items()}
    configs = {name: open_clip.get_model_config(name) for name in names}
    monkeypatch.delitem(sys.modules, "open_clip")
    assert open_clip_tables.model_names() == names
    assert {name: open_clip_tables.model_config(name) for name in names} == configs
    assert {name: open_clip_tables.pretrained_tags(name) for name in names} == asked
    assert open_clip_tables.model_config("ViT-B-61") is None
    assert open_clip_tables.pretrained_tags("ViT-B-61") == {}
    assert sum(map(len, asked.values())) > 100

"""What a shell is told when TAB is pressed, and that nothing heavy is imported for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from written_run import write_run

from cl_bench.cli import completion
from cl_bench.datasets.catalog import find_suite
from cl_bench.methods.catalog import BUILT_IN

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "open_clip", "torchvision", "matplotlib", "pandas")
MINI = find_suite("mini")
TASKS = [task.name for task in MINI.tasks]
CASES: dict[str, list[str]] = {  # what is typed -> what may follow
    "run --method ": list(BUILT_IN),
    "run --method keeplora": ["keeplora", "keeplora+", "keeplora++", "keeplora-kd"],
    "list settings w": ["wc", "wise-ft"],
    "run --suite m": ["mini", "mini-long", "mtil"],
    "run --suite o": ["own.toml"],
    "run --suite ./o": ["./own.toml"],
    "run --suite gone/": [],
    "run --suite mini --order ": [*MINI.orders, *TASKS],
    f"run --suite mini --order {TASKS[0]},mini-F": [f"{TASKS[0]},mini-Flowers", f"{TASKS[0]},mini-Food"],
    "run --suite mini --orders ": ["I", "II"],
    "sweep --suite mini --orders I,": ["I,II"],
    "run --suite nope --order ": [],
    "run --backbone tin": ["tiny-clip"],
    "run --backbone ViT-B-16-q": ["ViT-B-16-quickgelu:"],
    "run --backbone ViT-B-16:o": ["ViT-B-16:openai"],
    "run --preset ": ["paper", "fair"],
    "run --protocol ": ["mtil", "seen", "x-tail"],
    "run --precision ": ["fp32", "bf16", "fp16", "tf32"],
    "run --wandb o": ["online", "offline"],
    "run --method lora --set r": ["rank="],
    "run --set vari": ["variant="],
    "run --set variant=": ["variant=released", "variant=paper"],
    "run --set rank=": [],
    "run --method nope --set ": [],
    "sweep --methods lora,zs": ["lora,zscl"],
    "sweep --launcher s": ["slurm"],
    "data status M": ["MNIST"],
    "data check x": ["x-tail"],
    "list orders --suite mt": ["mtil"],
    "sho": ["show"],
}  # fmt: skip
OF_RUNS = ("show", "resume", "why", "compare", "report", "verify", "sync", "show --check")
TELL = """\
import contextlib, io, json, os, sys
from cl_bench.cli import app
told = {}
for typed in json.load(sys.stdin):
    words = ["cl-bench", *typed.split(" ")]
    os.environ |= {"COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    os.environ["_CL_BENCH_COMPLETE"] = "complete_bash"
    sys.argv, said = ["cl-bench"], io.StringIO()
    with contextlib.redirect_stdout(said):
        try:
            app.main()
        except SystemExit:
            pass
    told[typed] = (said.getvalue().split(), [m for m in HEAVY if m in sys.modules])
sys.__stdout__.write(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("here")
    for place in ("runs/toy-I/lora", "runs/sweep/toy-I/lora", "elsewhere"):
        write_run(folder / place)
    (folder / "own.toml").write_text("")
    (folder / "empty").mkdir()
    typed = [
        *CASES,
        *(f"{command} " for command in OF_RUNS),
        "show else",
        "show empty/",
        "show gone/",
    ]
    run = subprocess.run(
        [sys.executable, "-c", f"HEAVY = {HEAVY}\n{TELL}"],
        input=json.dumps(typed), capture_output=True, text=True, check=True, cwd=folder,
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": os.environ["PATH"]},
    )  # fmt: skip
    answers: dict[str, Any] = json.loads(run.stdout)
    return answers


@pytest.mark.parametrize("typed", CASES)
def test_values_are_completed_without_torch(typed: str, told: dict[str, Any]) -> None:
    words, imported = told[typed]
    assert words == CASES[typed] and imported == []


@pytest.mark.parametrize("command", OF_RUNS)
def test_runs_are_completed_where_runs_are_wanted(command: str, told: dict[str, Any]) -> None:
    words, imported = told[f"{command} "]
    assert [Path(word).parent.as_posix() for word in words] == [
        "runs/sweep/toy-I/lora", "runs/toy-I/lora",
    ]  # fmt: skip
    assert imported == []


def test_runs_of_another_folder(told: dict[str, Any]) -> None:
    assert told["show empty/"][0] == told["show gone/"][0] == [] == told["show else"][0]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_script(shell: str) -> None:
    env = {"PYTHONPATH": str(ROOT / "src"), "PATH": "", "_CL_BENCH_COMPLETE": f"source_{shell}"}
    run = subprocess.run(
        [sys.executable, "-P", "-m", "cl_bench"], capture_output=True, text=True, env=env
    )
    assert "_CL_BENCH_COMPLETE" in run.stdout and "cl-bench" in run.stdout


def test_a_large_tree_is_not_searched_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(30):
        write_run(tmp_path / f"{i:02d}")
    monkeypatch.chdir(tmp_path)
    assert len(completion.runs("./")) == 30
    monkeypatch.setattr(completion, "MOST_FOLDERS", 41)  # the top, the 30, and 10 runs
    assert len(completion.runs("./")) == 10

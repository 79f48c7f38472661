"""What is asked of several processes and of parts of a batch is checked, said and recorded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from command_line import cl_bench
from small_run import small_plan, small_run

from cl_bench.benchmark.checkpoint import load_checkpoint
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.processes import group
from cl_bench.benchmark.record import RunFolder
from cl_bench.benchmark.records.events import Learned, Step, those
from cl_bench.benchmark.rows import Division
from cl_bench.experiment.arithmetic import choose_device, one_each
from cl_bench.experiment.division import images_at_once, remarks

OF_TWO = {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}


@pytest.fixture
def one_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in OF_TWO.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("method", ["lora", "keeplora"])
def test_a_run_in_parts_of_batches_is_the_run_in_whole_batches(method: str, tmp_path: Path) -> None:
    plan = small_plan(method)
    whole = small_run(plan, tmp_path / "whole")
    parts = small_run(plan, tmp_path / "parts", division=Division(images_at_once=12))
    for a, b in zip(those(whole.events, Step), those(parts.events, Step), strict=True):
        assert b.loss == pytest.approx(a.loss, rel=1e-3)
    for a, b in zip(those(whole.events, Learned), those(parts.events, Learned), strict=True):
        assert (b.diagnostics, b.images_drawn) == (a.diagnostics, a.images_drawn)
    states = [load_checkpoint(RunFolder(run.path).checkpoint(2))["clip"] for run in (whole, parts)]
    for name, expected in states[0].items():
        assert (states[1][name] - expected).norm() <= 0.01 * expected.norm(), name
    assert [run.manifest.first.micro_batch for run in (whole, parts)] == [None, 12]
    assert parts.config.digest() == whole.config.digest()


def test_a_micro_batch_is_not_a_part_of_what_a_run_is() -> None:
    plan = small_plan("lora", micro_batch=8)
    assert images_at_once(plan) == 8 and plan.config.choices["micro_batch"] == "8"
    assert plan.folder == small_plan("lora").folder


def test_batches_that_cannot_be_divided_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert remarks(small_plan("lora")) == remarks(small_plan("lora", micro_batch=32)) == ()
    with pytest.raises(
        UserError, match="--micro-batch 33: a batch has 32 images; write 32 at most"
    ):
        small_plan("lora", micro_batch=33)
    [words] = remarks(small_plan("moe-adapters", micro_batch=8))
    assert "moe-adapters" in words and "--micro-batch changes nothing" in words
    monkeypatch.setattr(group, "size", lambda: 2)
    assert remarks(small_plan("lora")) == ()
    [words] = remarks(small_plan("moe-adapters"))
    assert "each process trains on all of it" in words
    monkeypatch.setattr(group, "size", lambda: 33)
    with pytest.raises(UserError, match="33 processes cannot share a batch of 32 images"):
        remarks(small_plan("lora"))


@pytest.mark.usefixtures("one_of_two")
def test_every_process_takes_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_device("cpu") == "cpu" and one_each("cuda:1") == "cuda"
    with pytest.raises(UserError, match="--device cuda:1: 2 processes take a GPU each: write"):
        choose_device("cuda:1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(
        UserError, match="2 processes were started on this machine, which has 1 GPU"
    ):
        choose_device(None)
    monkeypatch.delenv("RANK")
    assert one_each("cuda:1") == "cuda:1", "alone"


@pytest.mark.usefixtures("one_of_two")
@pytest.mark.parametrize(
    "words", [("list", "methods"), ("run", "--dry-run"), ("run", "--write-config", "x.toml")]
)
def test_what_is_not_computed_together_is_refused(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert cl_bench(monkeypatch, *words) == 2
    said = capsys.readouterr()
    assert "without torchrun" in said.err and said.err.count("\n") == 1 and not said.out
    assert not list(tmp_path.iterdir())


def test_other_processes_than_the_first_say_nothing() -> None:
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "cl_bench", "list", "methods"],
        env=os.environ | OF_TWO | {"RANK": "1"},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, b"", b"")

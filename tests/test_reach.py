"""What a method can reach, each proven by a small method in ``reaching.py`` that learns and resumes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from small_run import fresh, small_plan, small_run, small_stream

from cl_bench.benchmark.checkpoint import load_checkpoint
from cl_bench.benchmark.record import RunFolder, RunResult
from cl_bench.cli.plan import Plan

PLUGIN = Path(__file__).with_name("reaching.py")


class Killed(BaseException):
    """Stands for a kill: nothing in the runner may catch it."""


def plan_of(method: str, *overrides: str, tasks: int = 2, **choices: Any) -> Plan:
    return small_plan(method, tasks=tasks, plugin=PLUGIN, overrides=overrides, **choices)


def run_and_kill_another(plan: Plan, folder: Path) -> RunResult:
    """One undisturbed run; one that is killed while it learns its last task must end as it did."""
    run = small_run(plan, folder / "whole")

    def kill(event: dict[str, Any]) -> None:
        if event["event"] == "step" and event["task"] == plan.tasks[-1].name:
            raise Killed

    with pytest.raises(Killed):
        small_run(plan, folder / "killed", listen=kill)
    resumed = small_run(plan, folder / "killed")
    assert resumed.matrix == run.matrix
    states = [RunFolder(r.path).checkpoint(len(plan.tasks)).read_bytes() for r in (run, resumed)]
    assert states[0] == states[1]
    return run


def events(run: RunResult, kind: str) -> list[dict[str, Any]]:
    return [event for event in run.events if event["event"] == kind]


def test_a_method_learns_by_prompt_tokens_alone(tmp_path: Path) -> None:
    plan = plan_of("prompt-tuning", "steps=20", "lr=2e-2")
    run = run_and_kill_another(plan, tmp_path)
    figures = run.matrix.metrics()
    assert figures["learned"] > figures["zero_shot"] + 1
    widths = [blocks[0].width for blocks in fresh(plan).clip.attentions().values()]
    assert events(run, "learned")[0]["trainable_parameters"] == 2 * 2 * sum(widths)


def test_indices_name_the_images_whose_losses_they_carry(tmp_path: Path) -> None:
    """At a learning rate of next to nothing every image's loss stays what it is without training."""
    plan = plan_of("hard-images", "epochs=1", "lr=1e-30", "batch_size=16")
    run = run_and_kill_another(plan, tmp_path)
    kept = load_checkpoint(RunFolder(run.path).checkpoint(2))["losses"]
    clip = fresh(plan).clip
    for i, task in enumerate(small_stream(plan).tasks):
        with torch.no_grad():
            features = clip.encode_images(clip.normaliser()(task.train.pixels))
            logits = clip.logits(features, clip.encode_classes(task.labels.first_prompts()))
        expected = F.cross_entropy(logits, task.train.targets, reduction="none")
        torch.testing.assert_close(kept[str(i)], expected, atol=1e-4, rtol=1e-3)
        assert expected.std() > 0.1, "a loss at another image's place would show"

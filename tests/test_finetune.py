"""Plain fine-tuning is ZSCL's loop with everything else switched off, bit for bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from golden_clip import golden_clip
from small_run import fresh, small_plan, small_run

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.checkpoint import load_checkpoint
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.record import RunFolder, RunResult
from cl_bench.benchmark.records.events import Step, those
from cl_bench.benchmark.task import LabelSpace, Task, TrainingTask
from cl_bench.methods.finetune import FineTune
from cl_bench.methods.zscl import ZSCL, ZSCLConfig

OFF = ZSCLConfig(image_distillation=0, text_distillation=0, l2=0, ensemble_every=0)


def losses(run: RunResult) -> list[float]:
    return [event.loss for event in those(run.events, Step)]


def test_it_equals_zscl_with_everything_off(tmp_path: Path) -> None:
    plan = small_plan("finetune")
    clip = fresh(small_plan("zero-shot")).clip
    ours = small_run(plan, tmp_path / "finetune")
    theirs = small_run(plan, tmp_path / "zscl", lambda: ZSCL(clip, OFF, Assets()))
    assert ours.matrix == theirs.matrix
    assert losses(ours) == losses(theirs)
    states = [load_checkpoint(RunFolder(run.path).checkpoint(2))["clip"] for run in (ours, theirs)]
    assert states[0].keys() == states[1].keys() == clip.weights().keys(), "every weight has moved"
    assert all(torch.equal(tensor, states[1][name]) for name, tensor in states[0].items())


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_is_the_smoothed_cross_entropy(smoothing: float) -> None:
    """(1 - s) times the target's -log p, plus s times the mean of -log p over the classes."""
    clip, labels = golden_clip(), LabelSpace.from_templates(("cat", "oak", "tram"), ("a {}.",))
    pixels = torch.randint(256, (6, 3, 32, 32), dtype=torch.uint8)
    images = Images(pixels, torch.arange(6) % 3)
    task = TrainingTask(
        Task("toy", labels, images, images), clip.normaliser(), 6, torch.Generator()
    )
    method = FineTune(clip, FineTune.Config(label_smoothing=smoothing), Assets())
    method.before_task(task)
    batch = next(task.epoch())
    with torch.no_grad():
        scores = clip.logits(clip.encode_images(batch.images), clip.encode_classes(labels))
        logs = scores.log_softmax(dim=-1)
        targets = logs[torch.arange(6), batch.targets]
        expected = -((1 - smoothing) * targets + smoothing * logs.mean(dim=-1)).mean()
        torch.testing.assert_close(method.loss(batch), expected)


def test_zscls_switches_are_not_its_own() -> None:
    assert set(FineTune.Config.model_fields) == {"label_smoothing"}

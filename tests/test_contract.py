"""What every method must do, built-in or not: one test per promise of the interface."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from small_run import fresh, small_plan, small_run, small_stream
from torch import Tensor

from cl_bench.benchmark.checkpoint import load_checkpoint, save_checkpoint
from cl_bench.benchmark.method import Method
from cl_bench.benchmark.record import RunFolder
from cl_bench.benchmark.run import seed_everything
from cl_bench.benchmark.task import Task, TrainingTask
from cl_bench.benchmark.train import train
from cl_bench.cli.settings import Plan
from cl_bench.methods.catalog import BUILT_IN

pytestmark = pytest.mark.parametrize("name", BUILT_IN)


def training_task(plan: Plan, method: Method, task: Task) -> TrainingTask:
    generator = seed_everything(plan.config.seed, task.name)
    return TrainingTask(task, method.clip.normaliser(), 32, generator)


def learn(plan: Plan, method: Method, task: Task) -> None:
    training = training_task(plan, method, task)
    method.before_task(training)
    train(
        method,
        training,
        plan.config.recipe,
        training.batches_per_epoch(),
        "fp32",
        lambda progress: None,
    )
    method.after_task(training)


@torch.no_grad()
def logits(method: Method, task: Task) -> Tensor:
    images = method.clip.normaliser()(task.test.pixels[:20])
    return method.classifier(task.labels.first_prompts())(images)


def weights(method: Method) -> dict[str, Tensor]:
    return {name: t.clone() for name, t in method.clip.model.state_dict().items()}


def test_is_zero_shot_before_learning(name: str) -> None:
    plan = small_plan(name)
    task = small_stream(plan).tasks[0]
    expected = logits(fresh(small_plan("zero-shot")), task)
    assert torch.equal(logits(fresh(plan), task), expected)


def test_preparing_leaves_predictions_unchanged(name: str) -> None:
    plan = small_plan(name)
    method, task = fresh(plan), small_stream(plan).tasks[0]
    before = logits(method, task)
    method.before_task(training_task(plan, method, task))
    torch.testing.assert_close(logits(method, task), before, atol=1e-4, rtol=0)


def test_loss_reaches_trainable_parameters_and_no_other(name: str) -> None:
    plan = small_plan(name)
    method, task = fresh(plan), small_stream(plan).tasks[0]
    training = training_task(plan, method, task)
    method.before_task(training)
    parameters = list(method.trainable_parameters())
    loss = method.loss(next(training.epoch()))
    if parameters:
        loss.backward()
        assert all(p.grad is not None for p in parameters)
        assert any(p.grad.abs().sum() > 0 for p in parameters if p.grad is not None)
    chosen = {id(p) for p in parameters}
    assert all(p.grad is None for p in method.clip.parameters() if id(p) not in chosen)


def test_logit_scale_never_moves(name: str) -> None:
    plan = small_plan(name)
    method = fresh(plan)
    before = method.clip.model.logit_scale.item()
    for task in small_stream(plan).tasks:
        learn(plan, method, task)
    assert method.clip.model.logit_scale.item() == before


def test_an_image_is_classified_alone_as_in_company(name: str) -> None:
    plan = small_plan(name)
    method, task = fresh(plan), small_stream(plan).tasks[0]
    learn(plan, method, task)
    classify = method.classifier(task.labels.first_prompts())
    images = method.clip.normaliser()(task.test.pixels[:16])
    with torch.no_grad():
        alone = torch.cat([classify(image[None]) for image in images])
        torch.testing.assert_close(alone, classify(images), atol=1e-3, rtol=0)


def test_classifying_changes_nothing(name: str) -> None:
    plan = small_plan(name)
    method, stream = fresh(plan), small_stream(plan)
    learn(plan, method, stream.tasks[0])
    before, first = weights(method), logits(method, stream.tasks[0])
    logits(method, stream.tasks[1])
    assert torch.equal(logits(method, stream.tasks[0]), first)
    assert all(torch.equal(before[k], t) for k, t in method.clip.model.state_dict().items())


def test_a_fresh_instance_continues_from_the_state(name: str, tmp_path: Path) -> None:
    plan = small_plan(name)
    first, second = small_stream(plan).tasks
    undisturbed = fresh(plan)
    learn(plan, undisturbed, first)
    save_checkpoint(tmp_path / "state.safetensors", undisturbed.state_dict())
    learn(plan, undisturbed, second)

    continued = fresh(plan)
    continued.load_state_dict(load_checkpoint(tmp_path / "state.safetensors"))
    learn(plan, continued, second)
    expected = weights(undisturbed)
    assert all(torch.equal(expected[k], t) for k, t in weights(continued).items())
    assert undisturbed.diagnostics() == continued.diagnostics()


@pytest.mark.parametrize("order", ["I", "II"])
def test_same_seed_same_run_and_it_learns(name: str, order: str, tmp_path: Path) -> None:
    plan = small_plan(name, order, overrides=("epochs=3",))
    runs = [small_run(plan, tmp_path / str(i)) for i in range(2)]
    assert runs[0].matrix == runs[1].matrix and runs[0].finished
    final = [load_checkpoint(RunFolder(run.path).checkpoint(2)) for run in runs]
    first, second = (state.get("clip", {}) for state in final)
    assert first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)
    figures = runs[0].matrix.metrics()
    if name == "zero-shot":
        assert figures["learned"] == figures["zero_shot"]
    else:
        assert figures["learned"] > figures["zero_shot"] + 2
    learned = [e for e in runs[0].events if e["event"] == "learned"]
    assert (learned[0]["trainable_parameters"] > 0) == (name != "zero-shot")
    assert {"prepare", "train", "consolidate"} <= learned[0]["seconds"].keys()

"""What every method must do, built-in or not: one test per promise of the interface."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch
from killing import Counted, killed_in_phase, killed_in_step, must_be_the_same, undisturbed_run
from mid_task import goes_on_as_if_undisturbed
from small_run import EXAMPLES, fresh, small_plan, small_run, small_stream
from torch import Tensor

from cl_bench.benchmark.checkpoint import load_checkpoint, save_checkpoint
from cl_bench.benchmark.method import Method
from cl_bench.benchmark.randomness import seed_everything
from cl_bench.benchmark.records.events import Learned, Saved, those
from cl_bench.benchmark.task import Task, TrainingTask
from cl_bench.benchmark.train import train
from cl_bench.experiment.resolve import Plan
from cl_bench.methods.catalog import BUILT_IN, known_methods

STEPS = 2  # of a task, where more show nothing else
FEW = 6  # batches after which every trainable parameter must have had a gradient

pytestmark = pytest.mark.parametrize("name", [*BUILT_IN, *EXAMPLES])


def takes_steps(name: str) -> bool:
    """Whether anything trains by a gradient; of a method of one's own, it does."""
    return name in EXAMPLES or known_methods()[name].trainable != 0


def training_task(plan: Plan, method: Method, task: Task) -> TrainingTask:
    generator = seed_everything(plan.config.seed, task.name)
    earlier = () if "earlier images" in plan.config.extra_data else None
    return TrainingTask(task, method.clip.normaliser(), 32, generator, earlier=earlier)


def learn(plan: Plan, method: Method, task: Task) -> None:
    training = training_task(plan, method, task)
    method.before_task(training)
    train(
        method,
        training,
        plan.config.recipe,
        STEPS,
        "fp32",
        lambda progress: None,
    )
    method.after_task(training)


@torch.no_grad()
def logits(method: Method, task: Task) -> Tensor:
    images = method.clip.normaliser()(task.test.pixels[:20])
    return method.classifier(task.labels.first_prompts())(images)


def stored(method: Method, folder: Path) -> bytes:
    """The method's whole state, as a checkpoint holds it."""
    save_checkpoint(folder / "state", method.state_dict())
    return (folder / "state").read_bytes()


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
    idle = {id(p) for p in parameters}
    optimizer = torch.optim.Adam(parameters, 1e-3) if parameters else None
    for batch in itertools.islice(training.endless(), FEW if parameters else 0):
        method.loss(batch).backward()  # experts may stand idle for a step, A has none while B is 0
        idle -= {id(p) for p in parameters if p.grad is not None and p.grad.abs().sum() > 0}
        if not idle:
            break
        optimizer.step()  # type: ignore[union-attr]
    assert len(idle) <= len(parameters) / 50, "an expert in fifty may not have been chosen yet"
    chosen = {id(p) for p in parameters}
    assert all(p.grad is None for p in method.clip.parameters() if id(p) not in chosen)


def test_training_moves_only_what_is_declared(name: str) -> None:
    plan = small_plan(name)
    method, task = fresh(plan), small_stream(plan).tasks[0]
    training = training_task(plan, method, task)
    method.before_task(training)
    chosen = {id(p) for p in method.trainable_parameters()}
    others = {n: p for n, p in method.clip.model.named_parameters() if id(p) not in chosen}
    before = {n: p.detach().clone() for n, p in others.items()}
    assert "logit_scale" in others, "it stays at the pre-trained value in every method here"
    train(method, training, plan.config.recipe, 3, "fp32", lambda progress: None)
    assert all(torch.equal(before[n], p) for n, p in others.items())
    method.after_task(training)
    assert torch.equal(before["logit_scale"], method.clip.model.logit_scale)


def test_an_image_is_classified_alone_as_in_company(name: str) -> None:
    plan = small_plan(name)
    method, task = fresh(plan), small_stream(plan).tasks[0]
    learn(plan, method, task)
    classify = method.classifier(task.labels.first_prompts())
    images = method.clip.normaliser()(task.test.pixels[:16])
    with torch.no_grad():
        alone = torch.cat([classify(image[None]) for image in images])
        torch.testing.assert_close(alone, classify(images), atol=1e-3, rtol=0)


def test_classifying_changes_nothing(name: str, tmp_path: Path) -> None:
    plan = small_plan(name)
    method, stream = fresh(plan), small_stream(plan)
    learn(plan, method, stream.tasks[0])
    before, first = stored(method, tmp_path), logits(method, stream.tasks[0])
    logits(method, stream.tasks[1])
    assert torch.equal(logits(method, stream.tasks[0]), first)
    assert stored(method, tmp_path) == before


def test_a_fresh_instance_continues_from_the_state(name: str, tmp_path: Path) -> None:
    plan = small_plan(name)
    first, second = small_stream(plan).tasks
    undisturbed = fresh(plan)
    learn(plan, undisturbed, first)
    save_checkpoint(tmp_path / "first", undisturbed.state_dict())
    learn(plan, undisturbed, second)

    continued = fresh(plan)
    continued.load_state_dict(load_checkpoint(tmp_path / "first"))
    learn(plan, continued, second)
    assert stored(continued, tmp_path) == stored(undisturbed, tmp_path)
    assert undisturbed.diagnostics() == continued.diagnostics()
    for task in (first, second):
        assert torch.equal(logits(continued, task), logits(undisturbed, task))


def test_a_fresh_instance_goes_on_in_the_middle_of_a_task(name: str, tmp_path: Path) -> None:
    goes_on_as_if_undisturbed(small_plan(name), tmp_path)


def test_a_run_says_what_it_learned_and_kept(name: str) -> None:
    undisturbed = undisturbed_run(name)
    learned = those(undisturbed.events, Learned)
    assert (learned[0].trainable_parameters > 0) == (learned[0].steps > 0) == takes_steps(name)
    assert {"prepare", "train", "consolidate"} <= learned[0].seconds.keys()
    saved = those(undisturbed.events, Saved)
    assert (saved[-1].stored_parameters > 0) == (name != "zero-shot")


def test_a_run_that_is_killed_at_any_step_goes_on_there(name: str, tmp_path: Path) -> None:
    """In both tasks; a step behind the state that was kept is taken once more."""
    plan, run = small_plan(name), tmp_path / "run"
    if takes_steps(name):
        with killed_in_step(2, 6):
            small_run(plan, run, every="4")
    if name != "zero-shot":
        killed_in_phase(plan, run, "after_task", every="4")
    counted = Counted(plan)
    must_be_the_same(small_run(plan, run, counted), undisturbed_run(name))
    assert counted.calls[0] == ("continue_task" if takes_steps(name) else "before_task")


def test_it_learns_in_another_order(name: str, tmp_path: Path) -> None:
    """In one of one's own, which begins with the task that has the most to learn."""
    plan = small_plan(name, "mini-MNIST,mini-Food", tasks=1, overrides=("steps=30",))
    metrics = small_run(plan, tmp_path).matrix.metrics()
    if name == "zero-shot":
        assert metrics["learned"] == metrics["zero_shot"]
    else:
        assert metrics["learned"] > metrics["zero_shot"] + 1


def test_its_card_says_what_it_needs(name: str) -> None:
    if name in EXAMPLES:
        pytest.skip("a method of one's own has no card")
    plan, card = small_plan(name), known_methods()[name]
    assert card.needs == plan.entry.method.Config(**plan.config.method_settings).needs()
    assert set(plan.config.extra_data) <= set(card.needs)
    assert plan.config.bound == ("bound" in card.about)

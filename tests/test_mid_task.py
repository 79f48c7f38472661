"""Settings whose state within a task differs from the defaults, and faults that no accuracy would show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mid_task import drawn_from, goes_on_as_if_undisturbed, stored
from small_run import fresh, small_plan, small_stream

from cl_bench.benchmark.checkpoint import load_checkpoint, save_checkpoint
from cl_bench.benchmark.method import Method
from cl_bench.methods.cosine_head import CosineHead
from cl_bench.methods.individual import Individual
from cl_bench.methods.joint import Joint
from cl_bench.methods.keeplora import KeepLoRA
from cl_bench.methods.zscl import ZSCL

EXAMPLE = Path(__file__).parents[1] / "examples" / "methods" / "norm_tuning.py"
SETTINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "references of the task beside its crops": (
        "zscl", {"overrides": ("reference_images=task", "ensemble_every=2"), "preset": "paper"},
    ),
    "random texts, and a teacher that is the model before": (
        "lwf-vr", {"overrides": ("wise_alpha=0.7",)},
    ),
    "a magnitude for every matrix": ("sd-lora", {"overrides": ("variant=paper",)}),
    "bf16 and clipping": ("keeplora+", {"precision": "bf16", "overrides": ("grad_clip=0.01",)}),
    "fp16": ("o-lora", {"precision": "fp16"}),
    "crops": ("joint", {"preset": "paper"}),
    "the example of the docs": ("norm-tuning", {"plugin": EXAMPLE}),
}  # fmt: skip


@pytest.mark.parametrize("case", SETTINGS)
def test_it_goes_on_in_the_middle_of_a_task(case: str, tmp_path: Path) -> None:
    method, choices = SETTINGS[case]
    goes_on_as_if_undisturbed(small_plan(method, **choices), tmp_path)


def within(name: str, folder: Path, **choices: Any) -> tuple[Method, Method]:
    """A method after two steps that move every weight, and a fresh one with its state."""
    plan = small_plan(name, **choices)
    task, method = small_stream(plan).tasks[0], fresh(plan)
    method.before_task(drawn_from(plan, method, task))
    torch.manual_seed(1)
    for step in (1, 2):
        with torch.no_grad():
            for weight in method.trainable_parameters():
                weight += 0.01 * torch.randn_like(weight)  # type: ignore[arg-type, operator]
        method.after_step(step)
    save_checkpoint(folder / "kept", method.state_dict())
    again = fresh(plan)
    again.load_state_dict(load_checkpoint(folder / "kept"))
    again.continue_task(drawn_from(plan, again, task))
    return method, again


def test_anchor_and_average_are_not_taken_where_it_went_on(tmp_path: Path) -> None:
    method, again = within("zscl", tmp_path)
    assert isinstance(method, ZSCL) and isinstance(again, ZSCL)
    assert list(again.start) == list(again.average) == list(again.weights), "paired by their order"
    assert again.snapshots == method.snapshots == 2
    for name in again.weights:
        assert torch.equal(again.start[name], method.start[name])
        assert torch.equal(again.average[name], method.average[name])
    moved = [name for name, weight in again.weights.items() if not weight.equal(again.start[name])]
    assert len(moved) == len(again.weights), "the anchor is where the task began"
    for _ in range(12):  # into the next pass over the references
        (x, f), (y, g) = next(method.references), next(again.references)
        assert torch.equal(x, y) and torch.equal(f, g)


def test_the_previous_model_still_teaches(tmp_path: Path) -> None:
    plan = small_plan("lwf")
    first, second = small_stream(plan).tasks
    method = fresh(plan)
    method.before_task(drawn_from(plan, method, first))
    with torch.no_grad():
        for weight in method.trainable_parameters():
            weight += 0.01 * torch.randn_like(weight)  # type: ignore[arg-type, operator]
    method.after_task(drawn_from(plan, method, first))
    method.before_task(drawn_from(plan, method, second))
    save_checkpoint(tmp_path / "kept", method.state_dict())
    again = fresh(plan)
    again.load_state_dict(load_checkpoint(tmp_path / "kept"))
    assert isinstance(method, ZSCL) and isinstance(again, ZSCL)
    assert method.teacher is not None and again.teacher is not None
    taught = [teacher.state_dict() for teacher in (method.teacher, again.teacher)]
    assert all(torch.equal(tensor, taught[1][name]) for name, tensor in taught[0].items())


def test_joint_draws_the_same_tasks_and_images(tmp_path: Path) -> None:
    plan = small_plan("joint")
    task, method = small_stream(plan).tasks[0], fresh(plan)
    assert isinstance(method, Joint)
    batch_of_runner = next(drawn_from(plan, method, task).epoch())
    method.before_task(drawn_from(plan, method, task))
    for _ in range(5):
        method.loss(batch_of_runner)
    save_checkpoint(tmp_path / "kept", method.state_dict())
    again = fresh(plan)
    again.load_state_dict(load_checkpoint(tmp_path / "kept"))
    again.continue_task(drawn_from(plan, again, task))
    losses = [[float(m.loss(batch_of_runner).detach()) for _ in range(12)] for m in (method, again)]
    assert losses[0] == losses[1] and len(set(losses[0])) == 12


@pytest.mark.parametrize("name", ["lora", "sd-lora", "keeplora+", "zscl"])
def test_after_a_task_the_state_is_small_again(name: str, tmp_path: Path) -> None:
    """Nothing that only the steps of a task need is kept behind it."""
    plan = small_plan(name)
    task, method = small_stream(plan).tasks[0], fresh(plan)
    training = drawn_from(plan, method, task)
    method.before_task(training)
    during = load_keys(method, tmp_path)
    method.after_task(training)
    behind = load_keys(method, tmp_path)
    assert {"factors", "A_new", "within_task"} & during and not (
        {"factors", "A_new", "B_new", "alpha_new", "within_task", "head"} & behind
    )


def load_keys(method: Method, folder: Path) -> set[str]:
    stored(method, folder)
    return set(load_checkpoint(folder / "state"))


def test_more_than_ten_classifiers_keep_their_order(tmp_path: Path) -> None:
    """A file orders its tensors by name: the eleventh would come third."""
    plan = small_plan("keeplora+")
    method, again = fresh(plan), fresh(plan)
    assert isinstance(method, KeepLoRA) and isinstance(again, KeepLoRA)
    method.heads = {
        (f"class {i}",): CosineHead(torch.full((1, 48), float(i))) for i in range(1, 13)
    }
    before = stored(method, tmp_path)
    again.load_state_dict(load_checkpoint(tmp_path / "state"))
    assert list(again.heads) == list(method.heads) and stored(again, tmp_path) == before


def test_more_than_ten_models_keep_their_order(tmp_path: Path) -> None:
    plan = small_plan("individual")
    method, again = fresh(plan), fresh(plan)
    assert isinstance(method, Individual) and isinstance(again, Individual)
    method.models = {
        (f"class {i}",): {"visual.proj": torch.full((2,), float(i))} for i in range(1, 13)
    }
    before = stored(method, tmp_path)
    again.load_state_dict(load_checkpoint(tmp_path / "state"))
    assert list(again.models) == list(method.models) and stored(again, tmp_path) == before

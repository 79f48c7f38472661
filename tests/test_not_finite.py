"""A number that is not finite, wherever a method meets one: the run stops in one line and can go on."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest
import torch
from tiny_run import tiny_run
from torch import Tensor, nn
from two_tasks import STEPS

from cl_bench.benchmark.checkpoint import count_finite
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.method import Method, all_parameters
from cl_bench.benchmark.record import RunFolder, RunResult, read_json
from cl_bench.benchmark.task import Batch, TrainingTask
from cl_bench.methods.catalog import BUILT_IN, known_methods

Change = Callable[[Method], None]
TRAINED = [name for name in BUILT_IN if known_methods()[name].trainable]
AT = "toy1"  # the second of two tasks, in which everything is spoilt
KEEPLORA = ("keeplora", "keeplora+", "keeplora++", "keeplora-kd")

Place = tuple[str, str]  # before or after a task, and what features are computed by
GRADIENT, GRAM = "the mean gradient of v.0.q", "the Gram matrix of the features that enter "
LOSS = f"the loss became nan on task '{AT}' at step 1"  # a teacher's features are used in steps
FEATURES = "the features of the training images"
LATER = LOSS.replace("step 1", "step 2")  # of gift: the image that is spoilt is drawn then
TEXTS = "the teacher's features of the reference texts"
PROMPTS = "the teacher's features of the reference prompts"
# What a method looks at outside of its steps, and what it says of it.
STATISTICS: dict[str, dict[Place, str]] = {
    **{
        name: {
            ("before_task", "images"): GRADIENT,
            ("before_task", "texts"): GRADIENT,
            ("after_task", "images"): f"{GRAM}v.1.q",
            ("after_task", "texts"): f"{GRAM}t.1.q",
        }
        for name in KEEPLORA
    },
    "inflora": {
        ("before_task", "images"): f"{GRAM}v.1.q",
        ("before_task", "texts"): f"{GRAM}t.1.q",
        ("after_task", "images"): f"{GRAM}v.1.q",
        ("after_task", "texts"): f"{GRAM}t.1.q",
    },
    "gpm": {
        ("after_task", "images"): f"{GRAM}v.1.q",
        ("after_task", "texts"): f"{GRAM}t.1.q",
    },
    "diki": {("before_task", "images"): "the mean of the image features"},
    "iap": {("before_task", "images"): "the mean of the image features"},
    "moe-adapters": {
        ("after_task", "selector"): "the loss of the selector's auto-encoder of the task's images",
    },
    **{name: {("after_task", "images"): FEATURES} for name in ("rail", "rail-dual")},
    "lada": {
        ("before_task", "images"): FEATURES,
        ("after_task", "texts"): "the text features of the task's classes",
    },
    "lwf": {("before_task", "texts"): TEXTS, ("before_task", "images"): LOSS},
    "lwf-vr": {("before_task", "texts"): TEXTS, ("before_task", "images"): LOSS},
    **{
        name: {
            ("after_task", "images"): "the matrix of class prototypes",
            ("after_task", "texts"): "the matrix of class prototypes",
        }
        for name in ("condu", "condu-lora")
    },
    "gift": {("before_task", "texts"): PROMPTS, ("before_task", "images"): LATER},
}  # fmt: skip
PLACES = [
    (when, through)
    for when in ("before_task", "after_task")
    for through in ("images", "texts", "selector")
]
GONE_ON_WITH = ("keeplora", "inflora", "moe-adapters", "lwf")  # one of each kind


def stopped(name: str, folder: Path, change: Change) -> str:
    """What the user is told when the second task is spoilt; nothing that is not finite is kept."""
    with pytest.raises(UserError) as caught:
        tiny_run(name, folder, change)
    words, run = str(caught.value), RunFolder(folder)
    assert "\n" not in words and f" (method {name}). Last good checkpoint: " in words, words
    manifest = read_json(folder / "manifest.json")
    assert manifest["status"] == "failed" and manifest["reason"] in words
    assert f"Last good checkpoint: {run.checkpoint(1)}, after task 'toy0' (1 of 2)." in words
    assert f"cl-bench resume {folder}." in words
    for file in folder.glob("checkpoints/*.safetensors"):
        count_finite(file)
    return words


@cache
def undisturbed(name: str) -> tuple[RunResult, bytes]:
    """The run that nothing was done to, and its last checkpoint."""
    folder = Path(mkdtemp()) / "run"
    return tiny_run(name, folder), RunFolder(folder).checkpoint(2).read_bytes()


def must_be_undisturbed(name: str, folder: Path, found: RunResult) -> None:
    expected, checkpoint = undisturbed(name)
    assert found.finished and found.matrix == expected.matrix
    assert RunFolder(folder).checkpoint(2).read_bytes() == checkpoint


def spoilt(output: Tensor, value: float) -> Tensor:
    """The same with one bad number in it."""
    bad = output.clone()
    bad.view(-1)[0] = value
    return bad


def seen_through(method: Method, through: str) -> list[nn.Module]:
    """What computes features: blocks of every CLIP that the method has, or its selector's network."""
    if through == "selector":
        selector = getattr(method, "selector", None)
        return [selector._selector] if selector else []
    clips = [method.clip, getattr(method, "teacher", None)]
    tower = "v" if through == "images" else "t"
    return [clip.blocks()[tower][0] for clip in clips if clip is not None]


def spoil_features(when: str, through: str, value: float) -> Change:
    """From its first block on, a tower's features are bad in ``when`` of the second task."""

    def change(method: Method) -> None:
        step = getattr(method, when)

        def spoilt_step(task: TrainingTask) -> None:
            hooks = [
                module.register_forward_hook(lambda _, x, y: spoilt(y, value))
                for module in (seen_through(method, through) if task.name == AT else ())
            ]
            step(task)
            for hook in hooks:
                hook.remove()

        setattr(method, when, spoilt_step)

    return change


@pytest.mark.parametrize(
    ("name", "place"), [(name, place) for name, of in STATISTICS.items() for place in of]
)
def test_a_statistic_that_is_not_finite_stops_the_run(
    name: str, place: Place, tmp_path: Path
) -> None:
    statistic = STATISTICS[name][place]
    said = statistic if statistic in (LOSS, LATER) else f"{statistic} is not finite on task '{AT}'"
    words = stopped(name, tmp_path / "run", spoil_features(*place, math.nan))
    assert words.startswith(f"{said} (method {name}). "), words
    if name in GONE_ON_WITH:
        must_be_undisturbed(name, tmp_path / "run", tiny_run(name, tmp_path / "run"))


@pytest.mark.parametrize("name", ["keeplora", "inflora"])
def test_a_statistic_that_overflows_stops_the_run(name: str, tmp_path: Path) -> None:
    words = stopped(name, tmp_path / "run", spoil_features("after_task", "texts", math.inf))
    assert words.startswith(f"{GRAM}t.1.q is not finite on task '{AT}' (method {name}). "), words


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_method_looks_at_nothing_else(name: str, tmp_path: Path) -> None:
    """The table above is whole: features that are bad in all other places change no bit of a run."""

    def change(method: Method) -> None:
        for place in PLACES:
            if place not in STATISTICS.get(name, {}):
                spoil_features(*place, math.nan)(method)

    must_be_undisturbed(name, tmp_path / "run", tiny_run(name, tmp_path / "run", change))


def calls_since_the_task_began(method: Method) -> list[str]:
    """The name of the present task; what is called of the method is to be added behind it."""
    before, calls = method.before_task, list[str]()

    def before_task(task: TrainingTask) -> None:
        calls[:] = [task.name]
        before(task)

    method.before_task = before_task  # type: ignore[method-assign]
    return calls


def spoil_loss(value: float) -> Change:
    """The loss of the second task's second step."""

    def change(method: Method) -> None:
        calls, loss = calls_since_the_task_began(method), method.loss

        def bad_loss(batch: Batch) -> Tensor:
            calls.append("loss")
            right = loss(batch)
            return right * value if calls == [AT, "loss", "loss"] else right

        method.loss = bad_loss  # type: ignore[method-assign]

    return change


@pytest.mark.parametrize("name", TRAINED)
def test_a_loss_that_is_not_finite_stops_every_method(name: str, tmp_path: Path) -> None:
    words = stopped(name, tmp_path / "run", spoil_loss(math.nan))
    assert f"the loss became nan on task '{AT}' at step 2" in words
    if name in GONE_ON_WITH:
        must_be_undisturbed(name, tmp_path / "run", tiny_run(name, tmp_path / "run"))


def spoil_gradients(value: float) -> Change:
    """Every gradient of the second task's last step: no later loss tells."""

    def change(method: Method) -> None:
        calls, backward = calls_since_the_task_began(method), method.after_backward

        def after_backward() -> None:
            backward()
            calls.append("backward")
            if calls == [AT, *["backward"] * STEPS]:
                for parameter in all_parameters(method.trainable_parameters()):
                    if parameter.grad is not None:
                        parameter.grad.fill_(value)

        method.after_backward = after_backward  # type: ignore[method-assign]

    return change


@pytest.mark.parametrize("name", TRAINED)
def test_gradients_that_are_not_finite_stop_every_method(name: str, tmp_path: Path) -> None:
    words = stopped(name, tmp_path / "run", spoil_gradients(math.inf))
    assert f"a weight is no longer finite after the last step on task '{AT}'" in words


def spoil_state(method: Method) -> None:
    """Weights that are finite, and whose products are not: so large that merging overflows."""
    after = method.after_task

    def after_task(task: TrainingTask) -> None:
        if task.name == AT:
            with torch.no_grad():
                for parameter in all_parameters(method.trainable_parameters()):
                    parameter.fill_(1e30)
        after(task)

    method.after_task = after_task  # type: ignore[method-assign]


@pytest.mark.parametrize("name", TRAINED)
def test_weights_that_overflow_after_training_stop_every_method(name: str, tmp_path: Path) -> None:
    """When updates are merged or statistics taken, when the state is kept, or when it is evaluated."""
    if name == "zscl":  # it goes on from the average of its weights, not from the last ones
        must_be_undisturbed(name, tmp_path / "run", tiny_run(name, tmp_path / "run", spoil_state))
    else:
        assert "finite" in stopped(name, tmp_path / "run", spoil_state)


def test_a_task_of_the_anchor_is_named_too(tmp_path: Path) -> None:
    """The selector's anchor is fitted before the first task; there is no good state before it."""

    def change(method: Method) -> None:
        for module in seen_through(method, "selector"):
            module.register_forward_hook(lambda _, x, y: spoilt(y, math.nan))

    with pytest.raises(UserError) as caught:
        tiny_run("moe-adapters", tmp_path / "run", change)
    assert str(caught.value).startswith(
        "the loss of the selector's auto-encoder of the reference images is not finite on task 'toy0' "
        "(method moe-adapters). Last good checkpoint: none, the pre-trained model."
    )

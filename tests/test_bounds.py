"""The bounds: a model of its own for every task, and one model trained on all of them."""

from __future__ import annotations

import itertools
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest
import torch
from golden_clip import golden_clip
from own_suite import write_image, write_suite
from torch import Tensor

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.task import Batch, LabelSpace, Task, TaskStream, TrainingTask
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.resolve import resolve
from cl_bench.methods.individual import Individual
from cl_bench.methods.joint import Joint

NAMES = (("cat", "oak"), ("tram", "boat", "snow"), ("sand", "moss"))


def stream(*sizes: int) -> TaskStream:
    """Tasks of so many images; every pixel of task t has the value 40 (t + 1)."""
    tasks = []
    for t, size in enumerate(sizes):
        labels = LabelSpace.from_templates(NAMES[t], ("a photo of a {}.",))
        pixels = torch.full((size, 3, 32, 32), 40 * (t + 1), dtype=torch.uint8)
        images = Images(pixels, torch.arange(size) % len(NAMES[t]))
        tasks.append(Task(f"task {t}", labels, images, images))
    return TaskStream("toy", tuple(tasks))


def training(task: Task, method: Individual | Joint) -> TrainingTask:
    return TrainingTask(task, method.clip.normaliser(), 4, torch.Generator().manual_seed(0))


def individual() -> Individual:
    return Individual(golden_clip(), Individual.Config(), Assets())


@torch.no_grad()
def logits(method: Individual, task: Task) -> Tensor:
    noise = torch.randn(5, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    return method.classifier(task.labels)(noise)


def learn(method: Individual, task: Task) -> None:
    """Move some of the weights, as training would."""
    method.before_task(training(task, method))
    torch.manual_seed(len(method.models))
    with torch.no_grad():
        for name, weight in method.clip.weights().items():
            if "resblocks.0" in name:
                weight.add_(0.02 * torch.randn_like(weight))
    method.after_task(training(task, method))


def test_every_task_begins_at_the_pretrained_weights() -> None:
    method, tasks = individual(), stream(4, 4).tasks
    pretrained = {n: w.detach().clone() for n, w in golden_clip().weights().items()}
    for task in tasks:
        method.before_task(training(task, method))
        assert all(torch.equal(w, pretrained[n]) for n, w in method.clip.weights().items())
        learn(method, task)
    assert any(not torch.equal(w, pretrained[n]) for n, w in method.clip.weights().items())


def test_a_learned_task_keeps_its_model_whatever_is_learned_later() -> None:
    method, (first, second, third) = individual(), stream(4, 4, 4).tasks
    zero_shot = [logits(method, task) for task in (first, second, third)]
    learn(method, first)
    after_first = logits(method, first)
    assert not torch.allclose(after_first, zero_shot[0], atol=1e-2)
    learn(method, second)
    assert torch.equal(logits(method, first), after_first)
    assert torch.equal(logits(method, third), zero_shot[2]), "not learned: the pre-trained CLIP"
    assert not torch.allclose(logits(method, second), zero_shot[1], atol=1e-2)


def test_classifiers_that_are_used_in_turn_do_not_disturb_each_other() -> None:
    method, (first, second) = individual(), stream(4, 4).tasks
    for task in (first, second):
        learn(method, task)
    noise = torch.randn(5, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    expected = [logits(method, task) for task in (first, second)]
    with torch.no_grad():
        one, other = (method.classifier(task.labels) for task in (first, second))
        for _ in range(2):
            assert torch.equal(one(noise), expected[0])
            assert torch.equal(other(noise), expected[1])


def test_only_weights_that_moved_are_stored() -> None:
    method, task = individual(), stream(4).tasks[0]
    learn(method, task)
    (kept,) = method.models.values()
    assert kept and all("resblocks.0" in name for name in kept)
    fresh = individual()
    fresh.load_state_dict(method.state_dict())
    assert torch.equal(logits(fresh, task), logits(method, task))


def test_tasks_with_the_same_classes_cannot_be_told_apart(tmp_path: Path) -> None:
    """The later task's model took the earlier one's place without a word."""
    seeds = itertools.count()
    for folder in ("photos", "sketches"):
        for name in ("cat", "oak"):
            for part in ("train", "test"):
                write_image(tmp_path / folder / part / name / "0.png", next(seeds))
    tasks = [
        f'name = "{t}"\ntrain = "{t}/train"\ntest = "{t}/test"' for t in ("photos", "sketches")
    ]
    suite = str(write_suite(tmp_path, *tasks))
    words = "those of photos and sketches are the same: leave one of them out with --order"
    for method in ("individual", "keeplora+"):
        with pytest.raises(UserError, match=words):
            resolve(Choices(suite=suite, method=method, device="cpu"))
    assert resolve(Choices(suite=suite, method="individual", device="cpu", order="photos"))
    assert resolve(Choices(suite=suite, method="lora", device="cpu")).config.tasks == (
        "photos",
        "sketches",
    )


def drawn(sizes: tuple[int, ...], count: int) -> Counter[str]:
    """Of how many batches each task is the source, over so many steps of the first task."""
    joint_stream = stream(*sizes)
    method = Joint(golden_clip(), Joint.Config(), Assets(stream=joint_stream))
    torch.manual_seed(0)
    task = training(joint_stream.tasks[0], method)
    method.before_task(task)
    normalise, seen = method.clip.normaliser(), list[Batch]()

    def note(batch: Batch, label_smoothing: float = 0.0) -> Tensor:
        seen.append(batch)
        return torch.zeros(())

    method.clip.cross_entropy = note  # type: ignore[method-assign]
    for batch in islice(task.endless(), count):
        method.loss(batch)
    shown = {
        task.labels.classnames: normalise(task.train.pixels[:1]) for task in joint_stream.tasks
    }
    sources = Counter[str]()
    assert len(seen) == count
    for batch in seen:
        expected = shown[batch.labels.classnames].expand_as(batch.images)
        assert torch.equal(batch.images, expected), "the classes are those of its images"
        sources[batch.labels.classnames[0]] += 1
    return sources


def test_joint_draws_tasks_in_proportion_to_their_images() -> None:
    sources = drawn((8, 24, 8), 300)
    expected = {"cat": 60, "tram": 180, "sand": 60}
    for task, count in expected.items():
        spread = (count * (1 - count / 300)) ** 0.5
        assert abs(sources[task] - count) < 4 * spread, sources


def test_joint_learns_from_all_tasks_in_the_first() -> None:
    assert drawn((8, 8, 8), 40).keys() == {"cat", "tram", "sand"}


def test_joint_says_that_only_its_last_row_is_a_result() -> None:
    config = Joint.Config()
    assert config.needs() == ("all tasks",)
    assert any("only its Last is a result" in caveat for caveat in config.caveats())
    with pytest.raises(AssertionError):
        Joint(golden_clip(), config, Assets())

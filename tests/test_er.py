"""Experience replay: a memory balanced by class and of a fixed size, and what is drawn from it."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
import torch
from golden_clip import golden_clip
from small_run import small_plan, small_run, small_stream
from toy_task import LABELS, toy
from two_tasks import Watch, tiny_models

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.earlier_images import KEY, EarlierImages
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.records.events import Event, Learned, Saved, those
from cl_bench.benchmark.task import LabelSpace, Task, TaskStream
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.resolve import resolve
from cl_bench.methods.er import ER, of_every_class
from cl_bench.methods.finetune import FineTune


def er(clip: Clip, **settings: int) -> ER:
    return ER(clip, ER.Config.model_validate(settings), Assets())


def test_every_class_has_equally_many_or_all_that_there_are() -> None:
    torch.manual_seed(0)
    targets = torch.tensor([0] * 9 + [1] * 2 + [3] * 5)  # none of class 2
    chosen = of_every_class(targets, 3)
    assert len(chosen.unique()) == len(chosen)
    assert Counter(targets[chosen].tolist()) == {0: 3, 1: 2, 3: 3}
    draws = torch.cat([of_every_class(targets, 1) for _ in range(300)])
    assert set(draws.tolist()) == set(range(16)), "at random, not the first ones"


def task_of(name: str, counts: list[int]) -> Task:
    """Images whose pixels tell them apart, so many of every class."""
    targets = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    pixels = torch.arange(len(targets), dtype=torch.uint8).view(-1, 1, 1, 1)
    images = Images(pixels.expand(-1, 3, 32, 32).contiguous(), targets)
    labels = LabelSpace.from_templates(tuple(f"{name} {c}" for c in range(len(counts))), ("a {}",))
    return Task(name, labels, images, images)


def test_the_memory_stays_within_its_size_and_balanced() -> None:
    """Classes with few images leave places empty; earlier tasks give up room for later ones."""
    tasks = [task_of("a", [9, 2]), task_of("b", [9, 9]), task_of("c", [9, 9, 9])]
    clip, _ = tiny_models(Watch(None))
    method, memory = (
        er(clip, buffer=12),
        EarlierImages(TaskStream("t", tuple(tasks)), declared=True),
    )
    expected = [{"a": [6, 2]}, {"a": [3, 2], "b": [3, 3]}, {"a": [1, 1], "b": [1, 1], "c": [1] * 3}]
    kept_of_a: set[int] = set()
    for task, counts in zip(tasks, expected, strict=True):
        torch.manual_seed(1)
        seen = memory.open(
            task, clip.normaliser(), 4, torch.Generator().manual_seed(0), cropped=False
        )
        method.before_task(seen)
        method.after_task(seen)
        memory.close(seen)
        kept = {name: rows for name, rows, _ in memory.state_dict()[KEY]}
        found = {
            t.name: [
                int((t.train.targets[kept[t.name]] == c).sum()) for c in range(len(counts[t.name]))
            ]
            for t in tasks
            if t.name in kept
        }
        assert found == counts and memory.images == sum(map(sum, counts.values())) <= 12
        assert memory.bytes == memory.images * 3 * 32 * 32
        assert not kept_of_a or set(kept["a"]) <= kept_of_a, "what was given up does not come back"
        kept_of_a = set(kept["a"])


def test_each_image_of_the_memory_comes_equally_often_with_its_own_classes() -> None:
    tasks = [task_of("a", [9, 9]), task_of("b", [2]), task_of("c", [4])]
    clip, _ = tiny_models(Watch(None))
    method, memory = (
        er(clip, buffer=24),
        EarlierImages(TaskStream("t", tuple(tasks)), declared=True),
    )
    for task in tasks[:2]:
        seen = memory.open(task, clip.normaliser(), 4, torch.Generator(), cropped=False)
        method.before_task(seen)
        method.after_task(seen)
        memory.close(seen)
    seen = memory.open(tasks[2], clip.normaliser(), 2, torch.Generator(), cropped=False)
    method.before_task(seen)
    drawn: Counter[tuple[str, ...]] = Counter()
    batch = next(seen.epoch())
    losses = []

    def cross_entropy(of: object, smoothing: float) -> torch.Tensor:
        drawn[of.labels.classnames] += len(of.images)  # type: ignore[attr-defined]
        losses.append(smoothing)
        return torch.tensor(float(of is batch))

    clip.cross_entropy = cross_entropy  # type: ignore[method-assign, assignment]
    random.seed(0)
    for _ in range(450):
        assert method.loss(batch) == 0.5, "the mean of the task's batch and of another"
    assert set(losses) == {0.2} and drawn[("c 0",)] == 900
    assert drawn[("a 0", "a 1")] + drawn[("b 0",)] == 900
    assert drawn[("b 0",)] == pytest.approx(900 * 2 / 18, rel=0.3), "16 images of a and 2 of b"


def test_without_a_memory_it_is_fine_tuning() -> None:
    one, other = er(golden_clip()), FineTune(golden_clip(), FineTune.Config(), Assets())
    task = toy(0, one.clip.normaliser())
    other.before_task(task)
    assert torch.equal(one.loss(batch := next(task.epoch())), other.loss(batch))
    assert batch.labels == LABELS


def test_a_memory_without_room_is_refused_before_the_task_is_trained(tmp_path: Path) -> None:
    plan = small_plan("er", "mini-MNIST,mini-Food", overrides=("buffer=15",))
    with pytest.raises(
        UserError, match=r"buffer = 15 .*20 classes .*mini-Food: write --set buffer=20"
    ):
        small_run(plan, tmp_path)


def test_a_run_says_what_the_memory_takes_and_what_was_drawn(tmp_path: Path) -> None:
    plan = small_plan("er", "mini-MNIST,mini-Food", overrides=("buffer=40", "steps=3"))
    events: list[Event] = []
    small_run(plan, tmp_path, listen=events.append)
    saved = those(events, Saved)
    assert [s.kept_images for s in saved] == [40, 40]  # 4 of 10 classes, then 2 of 20
    side = small_stream(plan).tasks[0].train.pixels[0].numel()
    assert [s.kept_bytes for s in saved] == [40 * side, 40 * side]
    assert [e.images_drawn for e in those(events, Learned)] == [
        3 * 32,
        3 * 32 + 32 + 8 + 32,
    ]  # 40 images are two batches
    assert "earlier images" in plan.config.extra_data


def test_the_run_on_mtil_has_the_budget_of_fine_tuning() -> None:
    """The memory lies beside the checkpoint, which holds the weights alone."""
    plans = [
        resolve(Choices(suite="mtil", method=name, preset="paper", order="II", device="cpu")).config
        for name in ("er", "finetune")
    ]
    assert plans[0].budget == plans[1].budget and plans[0].recipe == plans[1].recipe
    assert sum(plans[0].budget.steps.values()) == 11_011
    assert plans[0].method_settings["buffer"] == 2000

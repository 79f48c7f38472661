"""The data that flows: label spaces, and what a method may draw of a task."""

from __future__ import annotations

from itertools import islice

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cl_bench.benchmark.images import Images
from cl_bench.benchmark.task import LabelSpace, Pixels, Task, TrainingTask

NAMES = st.lists(st.text("abc _", min_size=1, max_size=5), min_size=1, max_size=6, unique=True).map(
    tuple
)
IDENTITY = Pixels(4, torch.zeros(3, 1, 1), torch.ones(3, 1, 1))


def numbered_task(
    count: int, batch_size: int = 4, seed: int = 0, cropped: bool = False
) -> TrainingTask:
    """Every pixel of image i has the value i; classes take turns."""
    pixels = torch.arange(count, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 4, 4)
    images = Images(pixels.contiguous(), torch.arange(count) % 3)
    labels = LabelSpace.from_templates(("a", "b", "c"), ("a {}.", "the {}."))
    generator = torch.Generator().manual_seed(seed)
    task = Task("numbers", labels, images, images)
    return TrainingTask(task, IDENTITY, batch_size, generator, cropped=cropped)


def rows_of(images: torch.Tensor) -> list[int]:
    return (images[:, 0, 0, 0] * 255).round().int().tolist()


@given(NAMES, st.lists(st.sampled_from(["a {}.", "the {} there", "{}"]), min_size=1, max_size=3))
def test_every_class_gets_every_template(names: tuple[str, ...], templates: list[str]) -> None:
    labels = LabelSpace.from_templates(names, tuple(templates))
    assert labels.classnames == names
    for name, prompts in zip(names, labels.prompts, strict=True):
        assert prompts == tuple(t.replace("{}", name).replace("_", " ") for t in templates)
    first = labels.first_prompts()
    assert first.classnames == names
    assert [len(prompts) for prompts in first.prompts] == [1] * len(names)
    assert [p[0] for p in first.prompts] == [p[0] for p in labels.prompts]


@given(st.lists(NAMES, min_size=1, max_size=4))
def test_a_union_is_the_spaces_one_after_the_other(names: list[tuple[str, ...]]) -> None:
    spaces = [LabelSpace.from_templates(n, ("a {}.",)) for n in names]
    union = LabelSpace.union(spaces)
    assert union.classnames == tuple(name for n in names for name in n)
    start = union.find(names[-1])
    assert start is not None and union.classnames[start : start + len(names[-1])] == names[-1]


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 40), st.integers(1, 12), st.integers(0, 99))
def test_an_epoch_has_every_image_once_with_its_own_target(
    count: int, size: int, seed: int
) -> None:
    task = numbered_task(count, size, seed)
    batches = list(task.epoch())
    rows = [row for batch in batches for row in rows_of(batch.images)]
    assert sorted(rows) == list(range(count)) and task.images_drawn == count
    assert len(batches) == task.batches_per_epoch() == -(-count // size)
    targets = [t for batch in batches for t in batch.targets.tolist()]
    assert targets == [row % 3 for row in rows]


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 40), st.integers(1, 12))
def test_without_the_last_partial_batch_unless_it_is_the_only_one(count: int, size: int) -> None:
    sizes = [len(batch.targets) for batch in numbered_task(count, size).epoch(drop_last=True)]
    assert sizes == ([size] * (count // size) if count >= size else [count])


def test_epochs_differ_and_the_seed_decides() -> None:
    def orders(seed: int) -> list[list[int]]:
        task = numbered_task(12, 12, seed)
        return [rows_of(batch.images) for batch in islice(task.endless(), 3)]

    first, second, third = orders(0)
    assert first != second != third and sorted(first) == sorted(second)
    assert orders(0) == [first, second, third] != orders(1)


def test_a_method_sees_first_prompts_alone() -> None:
    task = numbered_task(5)
    assert task.labels.prompts == (("a a.",), ("a b.",), ("a c.",))
    assert next(task.epoch()).labels == task.labels


def test_a_task_beside_follows_the_same_rules_and_counts_for_itself() -> None:
    task = numbered_task(9, 5, cropped=True)
    images = Images(torch.full((7, 3, 4, 4), 200, dtype=torch.uint8), torch.zeros(7).long())
    other = Task("other", LabelSpace.from_templates(("x",), ("a {}.",)), images, images)
    beside = task.beside(other, torch.Generator().manual_seed(1))
    assert [len(b.targets) for b in beside.epoch()] == [5, 2]
    assert (beside.name, beside.images_drawn, task.images_drawn) == ("other", 7, 0)


def test_crops_are_fresh_at_every_draw_unless_plain_ones_are_asked_for() -> None:
    draw = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (6, 3, 16, 16), generator=draw, dtype=torch.uint8)
    images = Images(pixels, torch.arange(6) % 3)
    labels = LabelSpace.from_templates(("a", "b", "c"), ("a {}.",))
    normalise = Pixels(16, torch.zeros(3, 1, 1), torch.ones(3, 1, 1))
    task = TrainingTask(
        Task("noise", labels, images, images), normalise, 6, torch.Generator().manual_seed(0),
        cropped=True,
    )  # fmt: skip

    def seen(plain: bool) -> set[tuple[float, ...]]:
        return {tuple(x.flatten().tolist()) for x in next(task.epoch(plain=plain)).images}

    originals = {tuple(x.flatten().tolist()) for x in normalise(pixels)}
    assert seen(plain=True) == originals
    first, second = seen(plain=False), seen(plain=False)
    assert not first & second, "other crops of the same images"
    unasked = {tuple(x.flatten().tolist()) for x in next(task.epoch()).images}
    assert unasked != originals, "a crop may be the whole image, but not every one"


@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_are_scaled_and_normalised_by_channel(channels: int) -> None:
    mean, std = torch.tensor([0.1, 0.2, 0.3]), torch.tensor([0.5, 0.25, 0.125])
    normalise = Pixels(2, mean.view(3, 1, 1), std.view(3, 1, 1))
    pixels = torch.tensor([0, 51, 102, 255], dtype=torch.uint8).view(1, 1, 2, 2)
    found = normalise(pixels.expand(1, channels, 2, 2))
    expected = (pixels.float() / 255 - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected)

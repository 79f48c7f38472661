"""What a test image is classified over, and where its true class stands there."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cl_bench.benchmark.config import Protocol
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.label_spaces import as_stored, label_spaces
from cl_bench.benchmark.task import LabelSpace, Task, TaskStream

TEMPLATES = ("a photo of a {}.", "a drawing of a {}.")


def stream(sizes: list[int]) -> TaskStream:
    """Tasks of so many classes with one test image of each, the last class first."""
    tasks = []
    for t, size in enumerate(sizes):
        names = tuple(f"class {c} of {t}" for c in range(size))
        images = Images(torch.zeros(size, 1, 2, 2, dtype=torch.uint8), torch.arange(size).flip(0))
        tasks.append(Task(f"task {t}", LabelSpace.from_templates(names, TEMPLATES), images, images))
    return TaskStream("toy", tuple(tasks))


SIZES = st.lists(st.integers(1, 6), min_size=1, max_size=5)


@given(SIZES, st.sampled_from(["own", "seen", "all"]), st.data())
def test_a_target_always_names_its_own_class(
    sizes: list[int], labels: str, data: st.DataObject
) -> None:
    """The silent fault: an index that is counted from another task's first class."""
    made = stream(sizes)
    found = label_spaces(Protocol(labels=labels), made)  # type: ignore[arg-type]
    learned = data.draw(st.integers(0, len(sizes)))
    for task in made.tasks:
        space = found.after(learned)[task.name]
        chosen = {task.name: torch.arange(len(space.classnames))}
        counted = found.counted(chosen, learned)[task.name].tolist()
        named = dict(
            zip(counted, space.classnames, strict=True)
        )  # how a class is counted -> its name
        assert len(named) == len(space.classnames), "each counted by itself"
        true = [task.labels.classnames[i] for i in task.test.targets]
        assert [named[i] for i in found.targets[task.name].tolist()] == true


@given(SIZES)
def test_over_all_tasks_every_class_stands_once_in_the_streams_order(sizes: list[int]) -> None:
    made = stream(sizes)
    found = label_spaces(Protocol(labels="all"), made)
    expected = [name for task in made.tasks for name in task.labels.classnames]
    for space in found.after(0).values():
        assert list(space.classnames) == expected
    everything = sorted(i for of in found.targets.values() for i in of.tolist())
    assert everything == list(range(sum(sizes))), "one test image of every class"


@pytest.mark.parametrize("labels", ["own", "seen", "all"])
@pytest.mark.parametrize(("prompts", "count"), [("first", 1), ("ensemble", 2)])
def test_prompts_are_the_first_one_or_all(labels: str, prompts: str, count: int) -> None:
    protocol = Protocol(labels=labels, prompts=prompts)  # type: ignore[arg-type]
    spaces = label_spaces(protocol, stream([2, 3])).after(1)
    for space in spaces.values():
        assert len(space.prompts) == len(space.classnames)
        assert {len(of_class) for of_class in space.prompts} == {count}
        assert all(name in of[0] for name, of in zip(space.classnames, space.prompts, strict=True))


def test_a_tasks_own_classes_are_found_again_in_the_union() -> None:
    made = stream([3, 1, 4])
    spaces = label_spaces(Protocol(labels="all"), made).after(0)
    union = spaces["task 0"]
    assert [union.find(task.labels.classnames) for task in made.tasks] == [0, 3, 4]
    assert union.find(("class 0 of 0", "class 2 of 0")) is None
    assert union.find(("nowhere",)) is None


@given(st.lists(st.integers(0, 65_535), max_size=40))
def test_class_indices_are_stored_without_loss(classes: list[int]) -> None:
    stored = as_stored(torch.tensor(classes, dtype=torch.int64))
    assert stored.dtype == np.uint16 and stored.tolist() == classes

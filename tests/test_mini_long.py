"""The long embedded suite: 110 tasks that are drawn, differ from each other, and are set as mini's are."""

from __future__ import annotations

import numpy as np
import pytest

from cl_bench.datasets.catalog import find_suite
from cl_bench.datasets.mini.domains import draw
from cl_bench.datasets.mini.long import ROUNDS, redrawn
from cl_bench.datasets.streams import build_stream
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.resolve import resolve

LONG, MINI = find_suite("mini-long"), find_suite("mini")


def test_both_orders_go_through_minis_tasks_world_by_world() -> None:
    assert len(LONG.tasks) == 110
    for order in ("I", "II"):
        names = [f"{name}-{w}" for w in range(1, ROUNDS + 1) for name in MINI.orders[order]]
        assert list(LONG.orders[order]) == names


def test_a_task_has_the_classes_prompts_and_images_that_it_names() -> None:
    specs = tuple(LONG.task(f"mini-Flowers-{w}") for w in (1, 4))
    for spec, task in zip(specs, build_stream("long", specs, 32).tasks, strict=True):
        like = MINI.task("mini-Flowers")
        assert (spec.classnames, spec.templates) == (like.classnames, like.templates)
        assert (len(task.train), len(task.test)) == (spec.train_size, spec.test_size)


@pytest.mark.parametrize("domain", ["mini-MNIST", "mini-OxfordPet", "mini-DTD"])
def test_no_picture_is_in_two_worlds_or_in_both_splits(domain: str) -> None:
    worlds = [redrawn(domain, split, w)[0] for w in range(1, 5) for split in ("train", "test")]
    worlds += [draw(domain, "train")[0], draw(domain, "test")[0]]
    pictures = np.concatenate(worlds).reshape(sum(map(len, worlds)), -1)
    assert len(np.unique(pictures, axis=0)) == len(pictures)


def test_a_world_is_drawn_the_same_on_every_call_and_looks_other_than_the_next() -> None:
    first, again, next_one = (redrawn("mini-Flowers", "test", w)[0] for w in (2, 2, 3))
    assert np.array_equal(first, again)
    means = [images.mean(axis=(0, 2, 3)) for images in (first, next_one)]
    assert np.abs(means[0] - means[1]).max() > 20, "of 255, in some colour"


def test_methods_are_set_as_on_mini_and_get_its_extra_data() -> None:
    for method in ("keeplora", "zscl"):
        long, mini = (
            resolve(Choices(suite=s, method=method, device="cpu")) for s in ("mini-long", "mini")
        )
        assert long.config.method_settings == mini.config.method_settings
        assert long.config.recipe == mini.config.recipe
        assert {n: s.about for n, s in long.sources.items()} == {
            n: s.about for n, s in mini.sources.items()
        }
        assert set(long.config.budget.steps.values()) == set(mini.config.budget.steps.values())

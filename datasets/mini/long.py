"""mini-long: the mini suite's domains ten times over, each time in another world: 110 tasks.

All pictures are drawn anew for every world. World 1 looks as the mini suite does; in the others colours
are turned, light and dark change places, or up is another side. Classes and prompts stay.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cl_bench.datasets.mini.domains import photographed
from cl_bench.datasets.mini.style import tint
from cl_bench.datasets.mini.suite import mini_suite
from cl_bench.datasets.suite import Suite
from cl_bench.datasets.task_spec import MiniWorldSource, TaskSpec

ROUNDS = 10
PER_CLASS = {"train": 60, "test": 5}  # 110 rows of 110 tasks: a quarter of mini's test images
GOLDEN = np.pi * (3 - np.sqrt(5))  # radians; multiples of it never come close to each other


def mini_long_suite() -> Suite:
    """The mini suite's tasks in ten worlds; in either order, one world after the other."""
    mini = mini_suite()
    return mini.model_copy(
        update={
            "name": "mini-long",
            "about": "mini-long: the mini suite's eleven domains in ten worlds, 110 tasks; not MTIL",
            "tasks": tuple(in_world(spec, w) for w in _worlds() for spec in mini.tasks),
            "orders": {
                order: tuple(_name(name, w) for w in _worlds() for name in names)
                for order, names in mini.orders.items()
            },
            "settings_of": mini.name,
        }
    )


def _worlds() -> range:
    return range(1, ROUNDS + 1)


def _name(domain: str, world: int) -> str:
    return f"{domain}-{world}"


def in_world(spec: TaskSpec, world: int) -> TaskSpec:
    """A task of the mini suite as a world shows it, under a name that says which."""
    source = MiniWorldSource(domain=spec.name, world=world)
    return TaskSpec(
        name=_name(spec.name, world),
        classnames=spec.classnames,
        templates=spec.templates,
        source=source,
        train_size=PER_CLASS["train"] * len(spec.classnames),
        test_size=PER_CLASS["test"] * len(spec.classnames),
    )


def redrawn(
    domain: str, split: Literal["train", "test"], world: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return images [N, 3, 32, 32] and labels [N] of one split in a world, the same on every call."""
    images, labels = photographed(domain, split, PER_CLASS[split], world)
    return _seen_in(world, images), labels


def _seen_in(world: int, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The pictures [N, 3, S, S] with the colours, the light and the upper side of a world."""
    colours = tint(np.array([GOLDEN * (world - 1)]), np.ones(1))[0]  # [3, 3]
    values = np.einsum("ij,njhw->nihw", colours, images.astype(np.float32))
    values = np.clip(values + 0.5, 0, 255)
    if world % 2 == 0:
        values = 255 - values
    turned = np.rot90(values, (world - 1) % 4, axes=(2, 3))
    return np.ascontiguousarray(turned.astype(np.uint8))

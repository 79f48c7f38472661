"""Two drawn domains that are in no task and in no pretraining picture: evaluated where asked for, never learned.

Their classes have names that the tiny CLIP read in pretraining, where their subjects looked otherwise. Those
of the signs are in no task; those of the mosaics are one of each of twelve classes that tasks teach.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cl_bench.datasets.mini.canvas import SIZE, Canvas
from cl_bench.datasets.mini.domains import Domain
from cl_bench.datasets.mini.style import photo
from cl_bench.datasets.mini.worlds import EXTRAS, WORLDS, World

SEED = 4_054
PER_CLASS = 20
TILE = 2  # pixels a side
JOINTS = 0.15  # how much darker the pixels between two tiles are
OF_WORLDS: Mapping[str, str] = {
    "biplane": "mini-Aircraft",
    "butterfly": "mini-Caltech101",
    "sailboat": "mini-Caltech101",
    "umbrella": "mini-Caltech101",
    "fish": "mini-CIFAR100",
    "house": "mini-CIFAR100",
    "mushroom": "mini-CIFAR100",
    "sunflower": "mini-Flowers",
    "tulip": "mini-Flowers",
    "pizza": "mini-Food",
    "ice cream": "mini-Food",
    "lighthouse": "mini-SUN397",
}

HELD_OUT: Mapping[str, Domain] = {
    domain.name: domain
    for domain in (
        Domain("mini-Signs", tuple(EXTRAS.painters), ("a photo of a {}.", "a picture of a {}.")),
        Domain("mini-Mosaics", tuple(OF_WORLDS), ("a photo of a {}.", "a picture of a {}.")),
    )
}


def draw_held_out(domain: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return images [N, 3, 32, 32] and labels [N] of a held-out domain, the same on every call."""
    paint = {"mini-Signs": _signs, "mini-Mosaics": _mosaics}[domain]
    place, names = list(HELD_OUT).index(domain), HELD_OUT[domain].classnames
    rngs = [np.random.default_rng([SEED, place, label]) for label in range(len(names))]
    images = [paint(name, rng) for name, rng in zip(names, rngs, strict=True)]
    labels = np.repeat(np.arange(len(names), dtype=np.int64), PER_CLASS)
    return np.concatenate(images), labels


def _signs(name: str, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Photographs of a figure on a board, [PER_CLASS, 3, 32, 32]."""
    world = World(EXTRAS.painters, _board, turn=0.3, scale=(0.75, 1.0), shift=0.1, flip=False)
    return world.paint(name, PER_CLASS, rng, photo(PER_CLASS, rng))


def _board(c: Canvas) -> None:
    """Paint a light board with round corners in front of a wall or a meadow."""
    c.fill(c.everywhere(), c.any_colour("leaf", "grey", "tan", "sky"))
    c.fill(c.box(0, 0, 0.96, 0.96, corner=0.3), c.any_colour("white", "cream", "sky", "amber"))


def _mosaics(name: str, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A subject laid in square tiles, [PER_CLASS, 3, 32, 32]."""
    pictures = WORLDS[OF_WORLDS[name]].paint(name, PER_CLASS, rng, photo(PER_CLASS, rng))
    cells = pictures.reshape(PER_CLASS, 3, SIZE // TILE, TILE, SIZE // TILE, TILE)
    means = cells.mean(axis=(3, 5))  # [PER_CLASS, 3, 16, 16]
    tiles = means.repeat(TILE, axis=2).repeat(TILE, axis=3)
    tiles[:, :, ::TILE] *= 1 - JOINTS
    tiles[:, :, :, ::TILE] *= 1 - JOINTS
    laid: NDArray[np.uint8] = np.clip(tiles + 0.5, 0, 255).astype(np.uint8)
    return laid

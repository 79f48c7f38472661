"""Which painters, surroundings and poses make up each domain."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cl_bench.datasets.mini import (
    aircraft,
    cars,
    digits,
    flowers,
    food,
    objects,
    pets,
    satellite,
    scenes,
    shapes,
    textures,
    things,
)
from cl_bench.datasets.mini.canvas import Canvas, Painter
from cl_bench.datasets.mini.style import Style


@dataclass(frozen=True)
class World:
    """How the pictures of one domain are composed.

    Attributes:
        painters: one per class.
        backdrop: paints the surroundings, or nothing where the subject fills the picture.
        turn: the largest rotation of the subject, in radians.
        scale: smallest and largest size of the subject.
        shift: the largest offset of the subject, in half pictures.
    """

    painters: Mapping[str, Painter]
    backdrop: Painter | None = None
    turn: float = 0.2
    scale: tuple[float, float] = (0.7, 1.0)
    shift: float = 0.15
    flip: bool = True

    def paint(
        self, name: str, count: int, rng: np.random.Generator, style: Style
    ) -> NDArray[np.uint8]:
        """Return ``count`` pictures of class ``name``, [count, 3, 32, 32]."""
        canvas = Canvas(count, rng, style)
        if self.backdrop and style.natural:
            self.backdrop(canvas)
        low, high = self.scale
        closer = (1 - style.pose) * (high - low) / 2
        scale = (low + closer, high - closer)
        canvas.pose(self.turn * style.pose, scale, self.shift * style.pose, self.flip)
        self.painters[name](canvas)
        return canvas.finish()


WORLDS: Mapping[str, World] = {
    "mini-Aircraft": World(aircraft.CLASSES, aircraft.backdrop, turn=0.9, scale=(0.65, 1.0)),
    "mini-Caltech101": World(objects.CLASSES, objects.backdrop, turn=0.35, scale=(0.6, 1.0)),
    "mini-CIFAR100": World(things.CLASSES, things.backdrop, turn=0.35, scale=(0.55, 0.95)),
    "mini-DTD": World(textures.CLASSES, turn=0.8, scale=(0.8, 1.4), shift=0.3),
    "mini-EuroSAT": World(satellite.CLASSES, turn=np.pi, scale=(0.9, 1.3), shift=0.2),
    "mini-Flowers": World(flowers.CLASSES, flowers.backdrop, turn=0.4, scale=(0.6, 1.0)),
    "mini-Food": World(food.CLASSES, food.backdrop, turn=0.3, scale=(0.65, 1.0)),
    "mini-MNIST": World(digits.CLASSES, turn=0.2, scale=(0.8, 1.25), shift=0.12, flip=False),
    "mini-OxfordPet": World(pets.CLASSES, pets.backdrop, turn=0.3, scale=(0.65, 1.05)),
    "mini-StanfordCars": World(cars.CLASSES, cars.backdrop, turn=0.12, scale=(0.65, 1.0)),
    "mini-SUN397": World(scenes.CLASSES, turn=0.06, scale=(0.9, 1.2), shift=0.1),
}

# Pretraining also shows plain figures, as real captions name more than any one data set asks for.
EXTRAS = World(shapes.CLASSES, turn=0.5, scale=(0.5, 1.0), shift=0.25)

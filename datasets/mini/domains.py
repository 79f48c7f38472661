"""The mini suite: eleven small image domains, drawn from a seed, that stand for the MTIL data sets."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cl_bench.datasets.mini import digits
from cl_bench.datasets.mini.style import photo
from cl_bench.datasets.mini.worlds import WORLDS

SEED = 2026
PER_CLASS = {"train": 60, "test": 20}


@dataclass(frozen=True)
class Domain:
    """What one domain asks: its classes and the prompts that name them."""

    name: str
    classnames: tuple[str, ...]
    templates: tuple[str, ...]


_TEMPLATES: Mapping[str, tuple[str, ...]] = {
    "mini-Aircraft": ("a photo of a {}, a type of aircraft.", "a {} in the sky."),
    "mini-Caltech101": ("a photo of a {}.", "a good picture of a {}."),
    "mini-CIFAR100": ("a photo of a {}.", "a blurry photo of a {}."),
    "mini-DTD": ("a photo of a {} texture.", "a {} pattern."),
    "mini-EuroSAT": ("a centered satellite photo of {}.", "an aerial view of {}."),
    "mini-Flowers": ("a photo of a {}, a type of flower.", "a {} in bloom."),
    "mini-Food": ("a photo of {}, a type of food.", "{} on a plate."),
    "mini-MNIST": ('a photo of the number: "{}".', "a handwritten {}."),
    "mini-OxfordPet": ("a photo of a {}, a type of pet.", "a portrait of a {}."),
    "mini-StanfordCars": ("a photo of a {}.", "a {} on the road."),
    "mini-SUN397": ("a photo of a {}.", "a view of a {}."),
}

DOMAINS: Mapping[str, Domain] = {
    name: Domain(name, tuple(world.painters), _TEMPLATES[name]) for name, world in WORLDS.items()
}


def draw(
    domain: str, split: Literal["train", "test"]
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return images [N, 3, 32, 32] and labels [N] of one split, the same on every call."""
    if domain == "mini-MNIST":
        return digits.handwriting(split)
    return photographed(domain, split, PER_CLASS[split])


def photographed(
    domain: str, split: Literal["train", "test"], count: int, *version: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Paint ``count`` pictures of every class in the suite's look; other pictures for each version."""
    world, place = WORLDS[domain], list(WORLDS).index(domain)
    images = []
    for label, name in enumerate(world.painters):
        rng = np.random.default_rng([SEED, place, label, int(split == "test"), *version])
        images.append(world.paint(name, count, rng, photo(count, rng)))
    labels = np.repeat(np.arange(len(images), dtype=np.int64), count)
    return np.concatenate(images), labels


def domain_of(task: str) -> str:
    """The domain that a task of mini, or of one of mini-long's worlds, shows."""
    return task if task in DOMAINS else task.rpartition("-")[0]

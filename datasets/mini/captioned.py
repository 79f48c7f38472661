"""Captioned pictures of mini's world: one of every thing that the tiny CLIP knows by name.

They look like the tasks' photographs and are in none of them. What is said of them are phrases that the tiny CLIP
read in pretraining, but none of the reference texts and of the prompts that a task or a pair has.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cl_bench.datasets.mini.captions import GENERAL
from cl_bench.datasets.mini.references import EVERYTHING
from cl_bench.datasets.mini.style import photo

NAME = "mini-Captions"
SEED = 4_055
EACH = 3  # captions of a picture
PHRASES = GENERAL[4:12]  # "an illustration of a {}." to "look at the {}!"


def captioned_things() -> tuple[tuple[str, str], ...]:
    """Domain and name of what each picture shows."""
    return tuple((domain, name) for domain, world in EVERYTHING.items() for name in world.painters)


def captions() -> tuple[tuple[int, str], ...]:
    """Of every caption the place of its picture, and its text; no text stands twice."""
    rng = np.random.default_rng([SEED, 0])
    return tuple(
        (place, PHRASES[phrase].format(name))
        for place, (_, name) in enumerate(captioned_things())
        for phrase in sorted(rng.choice(len(PHRASES), EACH, replace=False).tolist())
    )


def draw_captioned() -> NDArray[np.uint8]:
    """The pictures, [N, 3, 32, 32], the same on every call."""
    pictures = []
    for place, (domain, name) in enumerate(captioned_things()):
        rng = np.random.default_rng([SEED, 1, place])
        pictures.append(EVERYTHING[domain].paint(name, 1, rng, photo(1, rng)))
    return np.concatenate(pictures)

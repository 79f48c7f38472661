"""The mini suite's reference set: pictures and sentences that no task holds.

They come from the world that the tiny CLIP was pretrained on (drawings, prints, shifted colours; never
scikit-learn's digits) with a seed of their own. They are to the tiny CLIP what ImageNet and captions
from the web are to CLIP.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cl_bench.datasets.mini.captions import GENERAL, SPECIAL
from cl_bench.datasets.mini.style import artwork
from cl_bench.datasets.mini.worlds import EXTRAS, WORLDS

SEED = 4_052
PER_CONCEPT = 4
GENERAL_CAPTIONS = 4  # of the sixteen, for every concept; its domain's own come on top
EVERYTHING = {**WORLDS, "": EXTRAS}


def reference_images() -> NDArray[np.uint8]:
    """The pictures, [N, 3, 32, 32], the same on every call."""
    images: list[NDArray[np.uint8]] = []
    for world in EVERYTHING.values():
        for concept in world.painters:
            rng = np.random.default_rng([SEED, len(images)])
            style = artwork(PER_CONCEPT, rng, natural=len(images) % 2 == 0)
            images.append(world.paint(concept, PER_CONCEPT, rng, style))
    return np.concatenate(images)


def pictured_concepts() -> tuple[str, ...]:
    """What each of the pictures shows."""
    return tuple(
        concept
        for world in EVERYTHING.values()
        for concept in world.painters
        for _ in range(PER_CONCEPT)
    )


def reference_image_count() -> int:
    """How many pictures ``reference_images`` draws."""
    return PER_CONCEPT * sum(len(world.painters) for world in EVERYTHING.values())


def reference_texts() -> tuple[str, ...]:
    """The sentences."""
    return tuple(
        template.format(concept)
        for domain, world in EVERYTHING.items()
        for concept in world.painters
        for template in (*GENERAL[:GENERAL_CAPTIONS], *SPECIAL.get(domain, ()))
    )

"""The mini suite's image-text pairs: what its world draws of prompts, as a generator would.

Every task has its own, and their prompts are chosen as GIFT chooses them: of what is known in general, and
again of the classes of the tasks before; never of the task itself. The pictures look like those that the
tiny CLIP was pretrained on, not like those of a task.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from cl_bench.datasets.mini.captions import GENERAL
from cl_bench.datasets.mini.domains import DOMAINS, domain_of
from cl_bench.datasets.mini.references import EVERYTHING
from cl_bench.datasets.mini.style import artwork

SEED = 4_053
EACH = 8  # pictures of a concept for tasks that know it in general, and as many for those behind its own
PER_TASK = 256


def drawn_pictures() -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """All pictures [N, 3, 32, 32] and their prompts, the same on every call."""
    images, prompts = [], []
    for place, (domain, name) in enumerate(_concepts()):
        rng = np.random.default_rng([SEED, place])
        style = artwork(2 * EACH, rng, natural=place % 2 == 0)
        images.append(EVERYTHING[domain].paint(name, 2 * EACH, rng, style))
        prompts += [_prompt(domain, name)] * (2 * EACH)
    return np.concatenate(images), tuple(prompts)


def rows_of(tasks: Sequence[str]) -> dict[str, list[int]]:
    """Which pictures each of the tasks is learned with, where they are learned in this order."""
    rows = {}
    for i, task in enumerate(tasks):
        pool = _pool(tasks[:i], task)
        chosen = np.random.default_rng([SEED, 1, i]).choice(len(pool), PER_TASK, replace=False)
        rows[task] = [pool[place] for place in chosen.tolist()]
    return rows


def _pool(before: Sequence[str], task: str) -> list[int]:
    """The pictures that may be chosen for ``task``."""
    pool: list[int] = []
    own, known = domain_of(task), set(map(domain_of, before))
    for place, (domain, _) in enumerate(_concepts()):
        first = 2 * EACH * place
        if domain != own:
            pool += range(first, first + (2 * EACH if domain in known else EACH))
    return pool


def _concepts() -> Iterator[tuple[str, str]]:
    """Every domain and concept of the world."""
    return ((d, concept) for d, world in EVERYTHING.items() for concept in world.painters)


def _prompt(domain: str, concept: str) -> str:
    """The first prompt of the domain, or that of a thing that no task asks for."""
    template = DOMAINS[domain].templates[0] if domain in DOMAINS else GENERAL[0]
    return template.format(concept)

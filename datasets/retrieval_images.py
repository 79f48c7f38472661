"""From retrieval sets as they are named to pictures and captions that are compared."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.retrieval import Captioned, RetrievalSets
from cl_bench.datasets.images.listing import Listing
from cl_bench.datasets.images.store import Store
from cl_bench.datasets.mini.captioned import draw_captioned
from cl_bench.datasets.retrieval_set import FEWEST, PictureFiles, RetrievalSpec


def load_retrieval(specs: Sequence[RetrievalSpec], size: int, store: Store) -> RetrievalSets:
    """Load the pictures of retrieval sets.

    Args:
        specs: the sets.
        size: side S of the backbone's input in pixels.
        store: where decoded images are kept.

    Raises:
        UserError: as of ``load_captioned``.
    """
    return RetrievalSets(tuple(load_captioned(spec, size, store) for spec in specs))


def load_captioned(spec: RetrievalSpec, size: int, store: Store) -> Captioned:
    """The pictures of a set with their captions; a picture that is left out takes its captions along.

    Raises:
        UserError: a picture cannot be read, or too few can.
    """
    images = store.images(f"{spec.name}-test", _listing(spec), size)
    if len(images) < FEWEST:
        raise UserError(
            f"{spec.name} has {len(images)} pictures that can be read, too few for recall at {FEWEST}"
        )
    places = {row: i for i, row in enumerate(images.targets.tolist())}  # what could be read
    kept = [(places[row], text) for row, text in spec.captions if row in places]
    pictures, texts = zip(*kept, strict=True)
    return Captioned(spec.name, images, texts, torch.tensor(pictures))


def _listing(spec: RetrievalSpec) -> Listing:
    """The pictures; the class of each is its own place."""
    rows = np.arange(spec.pictures)
    if isinstance(spec.source, PictureFiles):
        files = tuple(spec.source.root / path for path in spec.source.files)
        return Listing(files, rows, ("",))
    return Listing(np.ascontiguousarray(draw_captioned().transpose(0, 2, 3, 1)), rows, ("",))

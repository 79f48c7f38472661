"""A row's test images with their classes, counted as targets are, and with scores where these are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from cl_bench.benchmark.evaluate import predict_all, score_all
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.label_spaces import LabelSpaces
from cl_bench.benchmark.method import Method
from cl_bench.benchmark.scores import Scores


@dataclass(frozen=True)
class Classified:
    """Test images with their classes, counted as targets are.

    Attributes:
        classes: by task, the predicted ones, int64 [N].
        scores: by task, the best ones; empty where they are not kept.
    """

    classes: Mapping[str, Tensor]
    scores: Mapping[str, Scores]


def classified(
    method: Method,
    spaces: LabelSpaces,
    tests: Mapping[str, Images],
    precision: str,
    learned: int,
    top: int | None,
) -> Classified:
    """Classify all test images once: the predicted class is the first of the best ones."""
    between = spaces.after(learned)
    if top is None:
        predicted = predict_all(method, between, tests, precision)
        return Classified(spaces.counted(predicted, learned), {})
    found = score_all(method, between, tests, precision, top)
    counted = spaces.counted({task: of.classes for task, of in found.items()}, learned)
    scores = {task: replace(of, classes=counted[task]) for task, of in found.items()}
    return Classified({task: of[:, 0] for task, of in counted.items()}, scores)

"""Predictions and accuracies on a task's test images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor

from cl_bench.benchmark import matrix
from cl_bench.benchmark.errors import NotFiniteError, UserError
from cl_bench.benchmark.hand_over import inputs
from cl_bench.benchmark.image_order import ImageOrder
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.method import Classifier, Method
from cl_bench.benchmark.pixels import Pixels
from cl_bench.benchmark.precision import autocast, tf32_products
from cl_bench.benchmark.processes.group import rank, size
from cl_bench.benchmark.processes.sums import add_up
from cl_bench.benchmark.scores import Scores, best, columns, unpacked
from cl_bench.benchmark.task import LabelSpace

EVALUATION_BATCH = 256
NO_CLASS = -1
Reduce = Callable[[Tensor], Tensor]  # logits [B, C] -> what is kept of them, [B] or [B, n]


@torch.no_grad()
def predict_all(
    method: Method, spaces: Mapping[str, LabelSpace], tests: Mapping[str, Images], precision: str
) -> dict[str, Tensor]:
    """The predicted classes of every task's test images; reads and writes no file.

    Several processes share the images in parts of ``EVALUATION_BATCH``; every one gets all predictions.

    Args:
        method: what was learned so far.
        spaces: per task, what its images are classified over; one space that tasks share in a row
            is encoded once.
        tests: per task, its N test images.
        precision: ``fp32``, ``tf32``, or ``bf16`` or ``fp16`` for autocast.

    Returns:
        Per task, int64 [N] on the CPU, indices into its space's classes.

    Raises:
        NotFiniteError: the model has diverged.
    """
    empty = {name: torch.zeros(len(tests[name]), dtype=torch.int64) for name in spaces}
    found = _of_all(method, spaces, tests, precision, _best_class, empty)
    return {name: _finite(classes) for name, classes in found.items()}


@torch.no_grad()
def score_all(
    method: Method,
    spaces: Mapping[str, LabelSpace],
    tests: Mapping[str, Images],
    precision: str,
    top: int,
) -> dict[str, Scores]:
    """The ``top`` best classes of every task's test images; the first ones are those of ``predict_all``.

    Arguments and errors are those of ``predict_all``; of fewer classes there are all.
    """
    shapes = {n: (len(tests[n]), columns(len(spaces[n].classnames), top)) for n in spaces}
    empty = {name: torch.zeros(shape, dtype=torch.float64) for name, shape in shapes.items()}

    def reduce(logits: Tensor) -> Tensor:
        rows = best(logits, top)
        rows[:, 0] = _best_class(logits)
        return rows

    found = _of_all(method, spaces, tests, precision, reduce, empty)
    scores = {name: unpacked(rows) for name, rows in found.items()}
    for of in scores.values():
        _finite(of.classes[:, 0])
    return scores


def _of_all(
    method: Method,
    spaces: Mapping[str, LabelSpace],
    tests: Mapping[str, Images],
    precision: str,
    reduce: Reduce,
    empty: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """What ``reduce`` makes of every image's logits, in the place of what is ``empty``."""
    normalise, found = method.clip.normaliser(), dict(empty)
    last: tuple[LabelSpace, Classifier] | None = None
    with autocast(method.clip.device.type, precision), tf32_products(precision == "tf32"):
        for name, parts in _own_parts(spaces, tests).items():
            labels = spaces[name]
            if last is None or last[0] != labels:
                last = (labels, method.classifier(labels))
            _fill(found[name], last[1], tests[name], normalise, parts, reduce)
    return {name: add_up(of_task) for name, of_task in found.items()}


def _own_parts(spaces: Iterable[str], tests: Mapping[str, Images]) -> dict[str, list[slice]]:
    """The images that this process classifies, by task: every n-th part of all tasks'."""
    parts = [(task, part) for task in spaces for part in parts_of(tests[task])]
    own: dict[str, list[slice]] = {}
    for task, part in parts[rank() :: size()]:
        own.setdefault(task, []).append(part)
    return own


@torch.no_grad()
def predict(classify: Classifier, images: Images, normalise: Pixels) -> Tensor:
    """The most likely class of every image.

    Args:
        classify: a method's classifier over some label space.
        images: N of them.
        normalise: makes the backbone's input of them.

    Returns:
        int64 [N] on the CPU, indices into the label space's classes.

    Raises:
        NotFiniteError: a logit is not a number or +inf, whose arg-max would be a class by chance.
        UserError: the logits have 16 bits.
    """
    found = torch.zeros(len(images), dtype=torch.int64)
    _fill(found, classify, images, normalise, parts_of(images), _best_class)
    return _finite(found)


def parts_of(images: Images) -> list[slice]:
    """Which images are classified at once."""
    return [slice(i, i + EVALUATION_BATCH) for i in range(0, len(images), EVALUATION_BATCH)]


def _fill(
    found: Tensor,
    classify: Classifier,
    images: Images,
    normalise: Pixels,
    parts: Sequence[slice],
    reduce: Reduce,
) -> None:
    """Put what ``reduce`` makes of the logits of ``parts`` into ``found``, on the CPU."""
    made, order = [], ImageOrder.as_stored(len(images))
    for x in inputs(images, order, parts, normalise):
        logits = classify(x)  # [B, C]
        must_not_be_short(logits)
        made.append(reduce(logits))
    for part, rows in zip(parts, torch.cat(made).cpu().split([len(m) for m in made]), strict=True):
        found[part] = rows


def _best_class(logits: Tensor) -> Tensor:
    """The classes of logits [B, C], int64 [B]: ``NO_CLASS`` where the largest one is not finite."""
    classes = logits.argmax(dim=-1)  # NaN counts as the largest
    largest = logits.gather(-1, classes[:, None])[:, 0]
    return torch.where(largest.isfinite(), classes, NO_CLASS)


def must_not_be_short(logits: Tensor) -> None:
    """Raise ``UserError`` where logits have 16 bits."""
    if logits.dtype in (torch.float16, torch.bfloat16):
        raise UserError(
            f"the classifier's logits are {str(logits.dtype).removeprefix('torch.')}, in which "
            "classes tie and the first of them wins: compute them by clip.logits"
        )


def _finite(classes: Tensor) -> Tensor:
    """Predicted classes, if all are some."""
    if bool((classes == NO_CLASS).any()):
        raise NotFiniteError("the predictions are not finite: the model has diverged")
    return classes


def accuracy(predictions: Tensor, targets: Tensor) -> float:
    """Per cent of equal entries of two int64 [N] on the CPU."""
    return matrix.accuracy((predictions == targets).numpy())

"""ZSCL's training step as it is, against one that encodes every reference text anew, as published.

Both run side by side on the same weights and batches; the losses of the same step must agree.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.figures import Figure, run_alone
from bench.random_task import as_seen, backbone, random_task
from bench.timing import seconds

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.task import Batch, TrainingTask
from cl_bench.methods.zscl import ZSCL, ZSCLConfig

WORDS = (
    "red", "blue", "old", "small", "wet", "dog", "boat", "tree", "street", "child", "horse", "train",
    "field", "table",
)  # fmt: skip


def measure(
    tiny: bool = False,
    device: str = "cpu",
    large: bool = False,
    batch_size: int = 64,
    texts: int = 2000,
    steps: int = 5,
) -> Iterator[Figure]:
    """The tiny CLIP, or ViT-B/16 where ``large``."""
    batch_size, texts, steps = (4, 40, 1) if tiny else (batch_size, texts, steps)
    method, task = _started(backbone(not large, device), batch_size, texts)
    taken: dict[str, list[float]] = {"remembered": [], "anew": []}
    batches = task.endless()
    for step in range(steps + 1):  # the first one warms up
        batch, pair = next(batches), next(method.references)
        losses = []
        for way, seconds_of in taken.items():
            work = partial(_step, method, batch, pair, way == "anew", losses)
            seconds_of += [seconds(work, device)][: 1 if step else 0]
            method.clip.zero_grad(set_to_none=True)
        gap = abs(losses[0] - losses[1]) / losses[1]
        assert gap < 1e-4, f"the two ways' losses differ by {gap:.1e}"
        method.references = method._external_references(batch_size)
    model = "ViT-B/16" if large else "tiny CLIP"
    sizes = f"{model}, {batch_size} + {batch_size} images, {texts:,} reference texts, {device}"
    yield Figure.of(f"training step of zscl ({sizes})", taken["remembered"], "s")
    name = f"training step of zscl against one that encodes the reference texts anew ({sizes})"
    yield Figure.ratio(name, taken["anew"], taken["remembered"], "x", ">= 4")


def _step(
    method: ZSCL, batch: Batch, pair: tuple[Tensor, Tensor], anew: bool, losses: list[float]
) -> None:
    method.references = _again(method, pair, anew)
    if anew:
        method.R = None
    if method.R is None:
        method.R = _all_positions(method)
    loss = method.loss(batch)
    loss.backward()
    losses.append(loss.item())  # waits for the device


def _started(clip: Clip, batch_size: int, count: int) -> tuple[ZSCL, TrainingTask]:
    texts = tuple(
        f"a photo of a {WORDS[i % 5]} {WORDS[5 + i % 9]} number {i}" for i in range(count)
    )
    task = random_task(clip, 2 * batch_size, 10)
    method = ZSCL(clip, ZSCLConfig(), Assets(images=task.train, texts=texts))
    method.before_task(training := as_seen(clip, task, batch_size))
    return method, training


def _again(
    method: ZSCL, pair: tuple[Tensor, Tensor], anew: bool
) -> Iterator[tuple[Tensor, Tensor]]:
    """The same reference batch; the teacher's image features remembered, or computed in the step."""
    x_r, F_T = pair
    assert method.teacher is not None
    if anew:
        with torch.no_grad():
            F_T = method.teacher.encode_images(x_r)
    yield x_r, F_T


@torch.no_grad()
def _all_positions(method: ZSCL) -> Tensor:
    """R as the published code computes it in every step: all texts, all 77 positions."""
    assert method.teacher is not None
    tokens = method.teacher.tokenize(method.assets.texts)
    parts = [method.teacher.encode_text(part) for part in tokens.split(256)]
    return F.normalize(torch.cat(parts), dim=-1)


if __name__ == "__main__":
    run_alone(measure, __doc__)

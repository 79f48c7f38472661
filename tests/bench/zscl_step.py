"""ZSCL's training step as it is, against one that encodes every reference text anew, as published.

Both run side by side on the same weights and batches; the losses of the same step must agree.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.task import LabelSpace, Task, TrainingTask
from cl_bench.datasets import backbones
from cl_bench.methods.zscl import ZSCL, ZSCLConfig

WORDS = [
    "red",
    "blue",
    "old",
    "small",
    "wet",
    "dog",
    "boat",
    "tree",
    "street",
    "child",
    "horse",
    "train",
    "field",
    "table",
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", default="tiny-clip")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    method, task = _started(options)
    times: dict[str, list[float]] = {"remembered": [], "encoded anew": []}
    worst = 0.0
    batches = task.endless()
    for _ in range(options.steps + 1):
        batch, pair = next(batches), next(method.references)
        losses = []
        for name in times:
            method.references = _again(method, pair, anew=name == "encoded anew")
            if name == "encoded anew":
                method.R = None
            start = time.perf_counter()
            if method.R is None:
                method.R = _all_positions(method)
            loss = method.loss(batch)
            loss.backward()
            losses.append(loss.item())  # waits for the device
            times[name].append(time.perf_counter() - start)
            method.clip.zero_grad(set_to_none=True)
        worst = max(worst, abs(losses[0] - losses[1]) / losses[1])
        method.references = method._external_references(options.batch_size)
    seconds = {name: sorted(t[1:])[len(t[1:]) // 2] for name, t in times.items()}
    ratio = seconds["encoded anew"] / seconds["remembered"]
    print(
        f"{options.backbone}, {options.batch_size} + {options.batch_size} images, {options.texts:,} "
        f"reference texts on {options.device}: encoded anew {seconds['encoded anew']:.3f} s, "
        f"remembered {seconds['remembered']:.3f} s a step: {ratio:.1f}x; "
        f"largest relative difference of the loss {worst:.1e}"
    )


def _started(options: argparse.Namespace) -> tuple[ZSCL, TrainingTask]:
    torch.manual_seed(0)
    clip = backbones.load(backbones.parse(options.backbone), options.device)
    size, count = clip.image_size, 2 * options.batch_size
    pixels = torch.randint(256, (count, 3, size, size), dtype=torch.uint8)
    texts = tuple(
        f"a photo of a {WORDS[i % 5]} {WORDS[5 + i % 9]} number {i}" for i in range(options.texts)
    )
    images = Images(pixels, torch.arange(count) % 10)
    labels = LabelSpace.from_templates(tuple(WORDS[:10]), ("a photo of a {}.",))
    method = ZSCL(clip, ZSCLConfig(), Assets(images=images, texts=texts))
    task = Task("random", labels, images, images)
    training = TrainingTask(task, clip.normaliser(), options.batch_size, torch.Generator())
    method.before_task(training)
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
    main()

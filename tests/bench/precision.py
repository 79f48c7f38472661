"""What each arithmetic costs and changes: LoRA's training step at ViT-B/16, and attention without a mask.

The ways are timed in turn. A step's gradient must stay near
float32's: else another step would be timed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.figures import Figure, run_alone
from bench.random_task import backbone
from bench.timing import in_turn

from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.precision import autocast, tf32_products
from cl_bench.benchmark.task import Batch, LabelSpace
from cl_bench.methods.low_rank import Adapters

PROMPTS, LENGTH, WIDTH, HEADS = 100, 16, 512, 8  # of the text tower
NEAR = 0.05  # of the gradient's length


def measure(
    tiny: bool = False, device: str = "cpu", batch_size: int = 4, repeats: int = 3
) -> Iterator[Figure]:
    """A step in every arithmetic against float32, then causal attention without a mask."""
    torch.manual_seed(0)
    on_gpu = device.startswith("cuda")
    precisions = ("fp32", *(("tf32",) if on_gpu else ()), "bf16", "fp16")
    step = Step(backbone(tiny, device), 2 if tiny else batch_size)
    plain = step.gradient("fp32")
    for precision in precisions[1:]:
        gap = float((step.gradient(precision) - plain).norm() / plain.norm())
        assert gap < NEAR, f"the gradient in {precision} differs by {gap:.0%}"
    taken = in_turn({p: partial(step.gradient, p) for p in precisions}, repeats, device)
    for precision in precisions[1:]:
        name = f"LoRA's step in fp32 against {precision}, {'tiny CLIP' if tiny else 'ViT-B/16'}"
        yield Figure.ratio(name, taken["fp32"], taken[precision], "x")
    for precision in ("fp32", "bf16"):
        ways = {"mask": causal(device, precision, True), "none": causal(device, precision, False)}
        taken = in_turn(ways, 5 * repeats, device)
        name = f"causal attention with a mask against none, {precision}, {PROMPTS} prompts"
        yield Figure.ratio(name, taken["mask"], taken["none"], "x")


class Step:
    """LoRA's loss and its gradient on one batch."""

    def __init__(self, clip: Clip, batch_size: int) -> None:
        self._clip, adapters = clip.requires_grad_(False), Adapters(clip)
        for update in adapters.attach_fresh(rank=16, scaling=1.0):
            torch.nn.init.normal_(update.B, std=0.01)
        self._trained = list(adapters.parameters())
        labels = LabelSpace.from_templates(tuple(map(str, range(10))), ("a photo of a {}.",))
        size, rows = clip.image_size, torch.arange(batch_size, device=clip.device)
        images = torch.randn(batch_size, 3, size, size, device=clip.device)
        self._batch = Batch(images, rows % 10, labels, rows)

    def gradient(self, precision: str) -> Tensor:
        """As one vector, scaled so that 16 bits hold it."""
        for p in self._trained:
            p.grad = None
        with tf32_products(precision == "tf32"):
            with autocast(self._clip.device.type, precision):
                loss = self._clip.cross_entropy(self._batch)
            (65536 * loss).backward()
        return torch.cat([p.grad.flatten() for p in self._trained if p.grad is not None])


def causal(device: str, precision: str, masked: bool) -> Callable[[], None]:
    """Forward and backward of the text tower's attention, with a mask or told that it is causal."""
    shape = (3, PROMPTS, LENGTH, HEADS, WIDTH // HEADS)
    x = torch.randn(shape, device=device, requires_grad=True)
    mask = torch.full((LENGTH, LENGTH), float("-inf"), device=device).triu(1) if masked else None

    def work() -> None:
        with autocast(torch.device(device).type, precision):
            q, k, v = x.transpose(-3, -2) * 1.0
            F.scaled_dot_product_attention(q, k, v, mask, is_causal=not masked).sum().backward()

    return work


if __name__ == "__main__":
    run_alone(measure, __doc__)

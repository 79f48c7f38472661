"""What each arithmetic costs and changes: LoRA's training step at ViT-B/16, and two lesser questions.

Seconds are the least of some repeats; on a CPU, of the processor, so that what else runs there does not
count. Differences are of the gradient to float32's. Then the text tower's attention without a mask
against one with it, and the patch embedding in channels-last layout.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.precision import autocast, tf32_products
from cl_bench.benchmark.product_rate import product_rate
from cl_bench.benchmark.task import Batch, LabelSpace
from cl_bench.datasets import backbones
from cl_bench.methods.low_rank import Adapters

CLASSES, LENGTH, WIDTH, HEADS = 100, 16, 512, 8  # of the text tower: prompts, positions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    torch.manual_seed(0)
    steps(options.device, options.batch_size, options.repeats)
    masked(options.device, 5 * options.repeats)
    channels_last(options.device, 5 * options.repeats)


def steps(device: str, batch_size: int, repeats: int) -> None:
    clip = backbones.load(backbones.parse("ViT-B-16-quickgelu:random"), "cpu").to(device)
    clip.requires_grad_(False)
    adapters = Adapters(clip)
    for update in adapters.attach_fresh(rank=16, scaling=1.0):
        torch.nn.init.normal_(update.B, std=0.01)
    labels = LabelSpace.from_templates(tuple(map(str, range(10))), ("a photo of a {}.",))
    images = torch.randn(batch_size, 3, 224, 224, device=device)
    batch = Batch(images, torch.arange(batch_size, device=device) % 10, labels, torch.arange(0))
    print("precision   products    a step   against fp32   gradient differs by")
    plain, least = torch.zeros(0), 0.0
    for precision in ("fp32", *(["tf32"] if device != "cpu" else []), "bf16", "fp16"):
        seconds, gradient = step(clip, adapters, batch, precision, repeats)
        if precision == "fp32":
            plain, least = gradient, seconds
        print(
            f"{precision:9s}{product_rate(device, precision):7,.0f} GF/s{seconds:8.3f} s"
            f"{least / seconds:14.2f}x{float((gradient - plain).norm() / plain.norm()):22.1e}"
        )


def step(
    clip: Clip, adapters: Adapters, batch: Batch, precision: str, repeats: int
) -> tuple[float, Tensor]:
    """Seconds of the loss and its gradient, and the gradient itself."""
    trained = list(adapters.parameters())

    def once() -> None:
        for p in trained:
            p.grad = None
        with tf32_products(precision == "tf32"):
            with autocast(clip.device.type, precision):
                loss = clip.cross_entropy(batch)
            (65536 * loss).backward()

    seconds = least(once, clip.device.type, repeats)
    return seconds, torch.cat([p.grad.flatten() for p in trained if p.grad is not None])


def masked(device: str, repeats: int) -> None:
    shape = (3, CLASSES, LENGTH, HEADS, WIDTH // HEADS)
    x = torch.randn(shape, device=device, requires_grad=True)
    mask = torch.full((LENGTH, LENGTH), float("-inf"), device=device).triu(1)

    def once(precision: str, **how: Tensor | bool) -> Callable[[], None]:
        def work() -> None:
            with autocast(torch.device(device).type, precision):
                q, k, v = x.transpose(-3, -2) * 1.0
                F.scaled_dot_product_attention(q, k, v, **how).sum().backward()  # type: ignore[arg-type]

        return work

    for precision in ("fp32", "bf16"):
        with_mask = least(once(precision, attn_mask=mask), device, repeats)
        without = least(once(precision, is_causal=True), device, repeats)
        print(
            f"causal attention, {precision}, {CLASSES} prompts of {LENGTH}: with a mask "
            f"{1e3 * with_mask:.2f} ms, without {1e3 * without:.2f} ms = {with_mask / without:.2f}x"
        )


@torch.no_grad()
def channels_last(device: str, repeats: int) -> None:
    convolution = torch.nn.Conv2d(3, 768, 16, 16, bias=False).to(device)
    images = torch.randn(16, 3, 224, 224, device=device)
    plain = least(lambda: convolution(images), device, repeats)
    convolution.to(memory_format=torch.channels_last)
    images = images.to(memory_format=torch.channels_last)
    other = least(lambda: convolution(images), device, repeats)
    print(
        f"patch embedding of 16 images: {1e3 * plain:.2f} ms, in channels-last layout "
        f"{1e3 * other:.2f} ms = {plain / other:.2f}x"
    )


def least(work: Callable[[], object], device: str, repeats: int) -> float:
    on_cpu, seconds = device == "cpu", []
    now = time.process_time if on_cpu else time.perf_counter
    work()
    for _ in range(repeats):
        if not on_cpu:
            torch.cuda.synchronize()
        start = now()
        work()
        if not on_cpu:
            torch.cuda.synchronize()
        seconds.append(now() - start)
    return min(seconds)


if __name__ == "__main__":
    main()

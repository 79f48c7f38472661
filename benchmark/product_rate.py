"""How fast a device multiplies matrices in each arithmetic, measured in a moment."""

from __future__ import annotations

import time

import torch

from cl_bench.benchmark.precision import SIXTEEN_BITS, tf32_products

POSITIONS, WIDTH, HIDDEN = (
    197,
    768,
    3072,
)  # of an image in ViT-B/16, whose MLP begins with this product
IMAGES_ON_GPU = 64  # a single image would not fill it
ENOUGH, SLOW, MOST = 0.1, 0.25, 100  # seconds of measuring; of one call that is not repeated; calls


def product_rate(device: str, precision: str) -> float:
    """Billions of floating-point operations in a second; the best of some calls.

    Args:
        device: torch's name of it.
        precision: ``fp32``, ``tf32``, ``bf16`` or ``fp16``.
    """
    rows = POSITIONS * (IMAGES_ON_GPU if device.startswith("cuda") else 1)
    dtype = SIXTEEN_BITS.get(precision, torch.float32)
    draw = torch.Generator(device).manual_seed(0)  # its own: a run's draws stay what they are
    a = torch.randn(rows, WIDTH, device=device, generator=draw).to(dtype)
    b = torch.randn(WIDTH, HIDDEN, device=device, generator=draw).to(dtype)
    with tf32_products(precision == "tf32"):
        seconds = [_seconds(a, b)]
        while (
            seconds[0] < SLOW
            and len(seconds) < MOST
            and (len(seconds) < 3 or sum(seconds) < ENOUGH)
        ):
            seconds.append(_seconds(a, b))
    return 2e-9 * rows * WIDTH * HIDDEN / min(seconds)


def _seconds(a: torch.Tensor, b: torch.Tensor) -> float:
    if a.is_cuda:
        torch.cuda.synchronize(a.device)
    start = time.perf_counter()
    a @ b
    if a.is_cuda:
        torch.cuda.synchronize(a.device)
    return time.perf_counter() - start

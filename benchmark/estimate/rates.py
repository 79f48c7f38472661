"""How fast this machine works: seconds per unit of each kind of work, measured in less than a second."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor, nn

from cl_bench.benchmark.checkpoint import save_checkpoint
from cl_bench.benchmark.estimate.shapes import Amounts, ShapesOnly, without_content
from cl_bench.benchmark.precision import autocast
from cl_bench.benchmark.records.files import sha256_of

IMAGES = 2  # through one block of the backbone
LEAST, MOST, ENOUGH = 2, 50, 0.1  # calls of what is measured, and seconds after which few will do
SMALL = 200  # operations on one number
STORED = 2**23  # bytes of a checkpoint


def measure_rates(
    block: nn.Module, tokens: int, width: int, device: str, precision: str
) -> Amounts:
    """Seconds per FLOP, per cube of a decomposition, per byte and per operation.

    The rates of products and of memory are measured alone, then scaled so that together they give
    what one block of the backbone takes, forward and backward.

    Args:
        block: of the backbone's vision tower, without content.
        tokens: positions of an image.
        width: of the block.
        device: where the run computes.
        precision: of the run.
    """
    with torch.no_grad():
        rates = _alone(tokens, width, device, precision)
    work = _block_work(block, tokens, width)
    real = _with_content(block).to(device)
    x = torch.randn(IMAGES, tokens, width, device=device, requires_grad=True)

    def both_ways() -> None:
        with autocast(torch.device(device).type, precision):
            y = real(x)
        y.sum().backward()

    ratio = _seconds(both_ways, device) / float(work @ rates)
    scaled: Amounts = rates * np.array([ratio, 1, ratio, 1])
    return scaled


def _alone(tokens: int, width: int, device: str, precision: str) -> Amounts:
    a = torch.randn(IMAGES * tokens, width, device=device)
    b = torch.randn(width, 4 * width, device=device)
    many = torch.zeros(2**22, device=device)
    one = torch.zeros(1, device=device)
    square = (b @ b.T).double()

    def product() -> Tensor:
        with autocast(torch.device(device).type, precision):
            return a @ b

    def small() -> None:
        for _ in range(SMALL):
            one.add_(1)

    return np.array(
        [
            _seconds(product, device) / (2 * a.numel() * 4 * width),
            _seconds(lambda: torch.linalg.eigh(square), device) / width**3,
            _seconds(lambda: many.add_(1), device) / (3 * many.numel() * many.element_size()),
            _seconds(small, device) / SMALL,
        ]
    )


def _block_work(block: nn.Module, tokens: int, width: int) -> Amounts:
    with ShapesOnly() as counted:
        x = without_content((IMAGES, tokens, width), torch.float32).requires_grad_(True)
        block(x).sum().backward()
    work: Amounts = counted.work
    return work


def _with_content(block: nn.Module) -> nn.Module:
    """The block with random weights, all of which train."""
    real = copy.deepcopy(block)
    for part in real.modules():
        for name, parameter in part.named_parameters(recurse=False):
            setattr(part, name, nn.Parameter(torch.randn(parameter.shape) * 0.02))
    return real


def _seconds(work: Callable[[], object], device: str) -> float:
    """The least of several calls: the rest is what else the machine does, or prepares the device."""
    taken: list[float] = []
    while len(taken) < LEAST or (len(taken) < MOST and sum(taken) < ENOUGH):
        start = time.perf_counter()
        work()
        if device.startswith("cuda"):
            torch.cuda.synchronize(device)
        taken.append(time.perf_counter() - start)
    return min(taken)


def seconds_per_stored_byte() -> float:
    """Of a checkpoint: written, synchronised with the disk, and hashed."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "state"
        start = time.perf_counter()
        save_checkpoint(file, {"numbers": torch.zeros(STORED // 4)})
        sha256_of(file)
        return (time.perf_counter() - start) / STORED

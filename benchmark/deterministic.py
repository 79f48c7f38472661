"""Kernels that give the same sum in every run: on a GPU some do not, unless they are told to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"  # read by cuBLAS when it is first used


@contextmanager
def deterministic_kernels(wanted: bool) -> Iterator[None]:
    """Within, torch takes kernels that add in a fixed order, and raises where there is none.

    Enter it before a GPU is used in the process: cuBLAS reads its workspace's form once.

    Args:
        wanted: ``False`` changes nothing.
    """
    if not wanted:
        yield
        return
    strict, tuned = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    os.environ.setdefault(WORKSPACE, ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False  # else the fastest algorithm of this moment
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(strict)
        torch.backends.cudnn.benchmark = tuned

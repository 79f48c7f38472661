"""fp32, TF32, bf16 and fp16 as they are asked for, and a look at whether a step computes in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import get_args

import torch
from open_clip.transformer import VisionTransformer
from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook

from cl_bench.benchmark.config import Protocol

PRECISIONS = ("fp16", "bf16", "tf32", "fp32")  # the published one first
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@contextmanager
def arithmetic(precision: str) -> Iterator[str]:
    """Let float32 products be rounded to TF32 inside, or not at all; yields what a run calls it."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    _let_tf32(precision == "tf32", precision == "tf32")
    known = get_args(Protocol.model_fields["precision"].annotation)
    try:
        yield precision if precision in known else "fp32"
    finally:
        _let_tf32(*before)


def check(precision: str, device: str, work: Callable[[], object]) -> None:
    """Do ``work`` once and look what its image towers compute in.

    Raises:
        ValueError: not in ``precision``: a time under that name would be of something else.
    """
    kind, seen = torch.device(device).type, set[tuple[bool, torch.dtype]]()

    def look(module: nn.Module, inputs: object) -> None:
        if isinstance(module, VisionTransformer):
            on = torch.is_autocast_enabled(kind)
            dtype = torch.get_autocast_dtype(kind) if on else torch.float32
            seen.add((torch.backends.cuda.matmul.allow_tf32, dtype))

    with register_module_forward_pre_hook(look):
        work()
    wanted = (precision == "tf32", DTYPES.get(precision, torch.float32))
    if seen != {wanted}:
        raise ValueError(
            f"{precision} was asked for, and a step computed in {sorted(map(str, seen))}"
        )


def _let_tf32(products: bool, convolutions: bool) -> None:
    torch.backends.cuda.matmul.allow_tf32 = products
    torch.backends.cudnn.allow_tf32 = convolutions

"""fp32, TF32, bf16 and fp16 as they are asked for, and a look at whether a step computes in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import get_args

import torch

from cl_bench.benchmark.clip import Clip
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


def check(clip: Clip, precision: str, work: Callable[[], object]) -> None:
    """Do ``work`` once and look what its image tower computes in.

    Raises:
        ValueError: not in ``precision``: a time under that name would be of something else.
    """
    seen: list[tuple[bool, torch.dtype]] = []

    def look(module: torch.nn.Module, inputs: object) -> None:
        kind = clip.device.type
        on = torch.is_autocast_enabled(kind)
        dtype = torch.get_autocast_dtype(kind) if on else torch.float32
        seen.append((torch.backends.cuda.matmul.allow_tf32, dtype))

    hook = clip.model.visual.register_forward_pre_hook(look)
    try:
        work()
    finally:
        hook.remove()
    wanted = (precision == "tf32", DTYPES.get(precision, torch.float32))
    if not seen or any(one != wanted for one in seen):
        raise ValueError(
            f"{precision} was asked for, and a step computed in {sorted(set(map(str, seen)))}"
        )


def _let_tf32(products: bool, convolutions: bool) -> None:
    torch.backends.cuda.matmul.allow_tf32 = products
    torch.backends.cudnn.allow_tf32 = convolutions

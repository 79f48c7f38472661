"""In which arithmetic a run computes: 16 bits over float32 weights, TF32, or float32 throughout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor

from cl_bench.benchmark.errors import NotFiniteError

SIXTEEN_BITS = {"bf16": torch.bfloat16, "fp16": torch.float16}
LEAST_SCALE = 1.0  # below it, the gradient overflows without any scaling: training has diverged


def autocast(device: str, precision: str) -> AbstractContextManager[Any]:
    """The 16-bit context of training and evaluation on ``device``; other precisions end any such."""
    if precision not in SIXTEEN_BITS and not torch.amp.is_autocast_available(device):
        return nullcontext()  # torch's meta device, for one: it knows no other precision
    dtype = SIXTEEN_BITS.get(precision, torch.float32)
    return torch.autocast(device, dtype=dtype, enabled=precision in SIXTEEN_BITS)


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Inside, products of float32 are in float32 whatever the precision of a run.

    For what must not be rounded to 16 bits: similarities that are compared, choices of experts and
    routers, penalties, and features that are remembered.
    """
    with autocast(device.type, "fp32"), tf32_products(False):
        yield


def at_least_float32(x: Tensor) -> Tensor:
    """``x`` itself, or in float32 where it has 16 bits."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


@contextmanager
def tf32_products(wanted: bool) -> Iterator[None]:
    """Inside, a GPU rounds the factors of float32 products to TF32 (10 bits), or does not.

    Both are said outright: torch rounds those of convolutions unless it is told otherwise, and others
    where ``TORCH_ALLOW_TF32_CUBLAS_OVERRIDE`` is set, as in some containers.
    """
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    _let_tf32(wanted, wanted)
    try:
        yield
    finally:
        _let_tf32(*before)


def _let_tf32(products: bool, convolutions: bool) -> None:
    torch.backends.cuda.matmul.allow_tf32 = products
    torch.backends.cudnn.allow_tf32 = convolutions


class Scaling:
    """Scales the loss where the precision is fp16, so that small gradients do not become zero.

    A step whose scaled gradient overflows is skipped and the scale is halved, as published code that
    trains with mixed precision does: no divergence, and the first steps of a task are usually such.
    A gradient that is not finite at any scale would skip all steps and leave the model untrained;
    that is divergence, and :meth:`check` raises.

    Attributes:
        skipped: how many steps had been skipped when ``check`` last looked.
    """

    def __init__(self, device: torch.device, precision: str) -> None:
        """A fresh scale for one task, on the device of what trains."""
        self._scaler = torch.amp.GradScaler(device.type, enabled=precision == "fp16")
        self._one = torch.ones((), device=device)
        self._scales = [
            self._scale()
        ]  # the scale at the last check and after each step since then; on the device
        self.skipped = 0

    def backward(self, loss: Tensor) -> None:
        """Compute the gradients of ``loss``, scaled."""
        self._scaler.scale(loss).backward()

    def unscale(self, optimizer: torch.optim.Optimizer) -> None:
        """Take the scale out of the gradients of ``optimizer``; once between backward and step."""
        self._scaler.unscale_(optimizer)

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        """Let ``optimizer`` take a step on the gradients, or skip it where one overflowed."""
        self._scaler.step(optimizer)
        self._scaler.update()
        self._scales.append(self._scale())

    def check(self, task: str, step: int, steps: int) -> None:
        """Count the skipped steps; waits for the device.

        Raises:
            NotFiniteError: no scale helps, or none of all ``steps`` was taken.
        """
        scales = torch.stack(self._scales)
        self.skipped += int((scales[1:] < scales[:-1]).sum())
        del self._scales[:-1]
        if float(scales[-1]) < LEAST_SCALE or self.skipped == steps:
            raise NotFiniteError(
                f"the gradient is not finite on task {task!r} at step {step}: {self.skipped} of "
                f"{step} steps could not be taken"
            )

    def state_dict(self) -> dict[str, Any]:
        """The scale, how long it has held, and what ``check`` has not looked at yet."""
        scaler, scales = self._scaler.state_dict(), torch.stack(self._scales)
        return {"scaler": scaler, "scales": scales, "skipped": self.skipped}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undo ``state_dict``, for the same precision."""
        self._scaler.load_state_dict(dict(state.get("scaler", {})))  # nothing without a scale
        self._scales = list(state["scales"].to(self._one.device))
        self.skipped = state["skipped"]

    def _scale(self) -> Tensor:
        """The present scale, read without waiting for the device."""
        return self._scaler.scale(self._one)

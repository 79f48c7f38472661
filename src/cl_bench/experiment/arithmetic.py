"""Where a run computes and in which arithmetic: what was typed, else its preset's where the device can."""

from __future__ import annotations

import re

from cl_bench.benchmark.config import Protocol
from cl_bench.benchmark.errors import UserError, in_one_line
from cl_bench.benchmark.processes.launcher import launched, launched_here

DEVICES = re.compile(r"(cpu|cuda|hip|hpu|mps|mtia|xla|xpu|privateuseone)(:\d+)?")


def computed_on(device: str, protocol: Protocol, typed: bool) -> tuple[Protocol, tuple[str, ...]]:
    """A protocol in the arithmetic that the device has, and what a reader must know of it, line by line.

    Published fp16 means CUDA's autocast with gradient scaling. Where the device is another, the run
    computes in fp32 and says so; its metrics then come from another arithmetic than the published.

    Args:
        device: torch's name of it, e.g. ``cuda:1``.
        protocol: with the precision that is planned.
        typed: whether that is the value of ``--precision``; it is used on every device.
    """
    if typed or protocol.precision != "fp16" or device.startswith("cuda"):
        return protocol, ()
    caveat = (
        f"computed in fp32: the device {device} cannot do the planned fp16 as published "
        "(autocast with gradient scaling, on CUDA)"
    )
    return protocol.model_copy(update={"precision": "fp32"}), (caveat,)


def must_compute(device: str, precision: str) -> None:
    """Refuse a precision that the device of this machine has not.

    Raises:
        UserError: TF32 is asked for and there is none.
    """
    if precision != "tf32":
        return
    import torch

    has_gpu = device.startswith("cuda") and torch.cuda.is_available()
    if not has_gpu or not torch.cuda.is_tf32_supported():
        raise UserError(f"the device {device} has no TF32: write --precision fp32")


def choose_device(name: str | None) -> str:
    """The device a run uses: the named one, else a GPU where there is one.

    Raises:
        UserError: the named device is unknown or not there.
    """
    if name == "cpu":
        return name
    _, processes = launched()
    if name is not None and processes > 1 and name != one_each(name):
        raise UserError(
            f"--device {name}: {processes} processes take a GPU each: write --device {one_each(name)}"
        )
    if name is not None and not DEVICES.fullmatch(name):
        raise UserError(f"the device {name!r} cannot be used here: write cpu, cuda, cuda:1 or mps")
    import torch

    if name is None:
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if processes > 1:
        _must_have_one_each(name)
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"the device {name!r} cannot be used here: {in_one_line(error)}") from error
    return name


def one_each(device: str) -> str:
    """The device of a run, as each of several processes takes one: ``cuda`` for ``cuda:1``."""
    return device.partition(":")[0] if launched()[1] > 1 else device


def _must_have_one_each(device: str) -> None:
    """Check that every process that was started on this machine gets a device.

    Raises:
        UserError: there are too few, or processes cannot share work on such a device.
    """
    import torch

    here, there = launched_here(), torch.cuda.device_count()
    if device == "cuda" and there < here:
        raise UserError(
            f"{here} processes were started on this machine, which has {there} GPUs: write "
            f"{f'--nproc-per-node {there}, or ' if there else ''}--device cpu"
        )
    if device not in ("cuda", "cpu"):
        raise UserError(
            f"--device {device}: several processes can share work on cuda and cpu alone"
        )

"""Where a run computes and in which arithmetic: what was typed, else its preset's where the device can."""

from __future__ import annotations

from dataclasses import dataclass

from cl_bench.benchmark.errors import UserError, in_one_line


@dataclass(frozen=True)
class Arithmetic:
    """What training and evaluation compute in.

    Attributes:
        precision: ``fp32``, ``bf16`` or ``fp16``, as ``Protocol.precision`` has it.
        by_hand: whether it differs from the preset's because the user typed another.
        caveats: what a reader must know, one line each.
    """

    precision: str
    by_hand: bool
    caveats: tuple[str, ...]


def choose_arithmetic(typed: str | None, planned: str, device: str) -> Arithmetic:
    """Resolve the precision of a run.

    Published fp16 means CUDA's autocast with gradient scaling. Where the device is another, the run
    computes in fp32 and says so; its metrics then come from another arithmetic than the published.

    Args:
        typed: the value of ``--precision``; it is used on every device.
        planned: of the suite or, under preset ``paper``, of the method's publication.
        device: torch's name of the device, e.g. ``cuda:1``.
    """
    if typed is not None:
        return Arithmetic(typed, typed != planned, ())
    if planned == "fp16" and not device.startswith("cuda"):
        caveat = (
            f"computed in fp32: the device {device} cannot do the planned fp16 as published "
            "(autocast with gradient scaling, on CUDA)"
        )
        return Arithmetic("fp32", False, (caveat,))
    return Arithmetic(planned, False, ())


def choose_device(name: str | None) -> str:
    """The device a run uses: the named one, else a GPU where there is one.

    Raises:
        UserError: the named device is unknown or not there.
    """
    import torch

    if name is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"the device {name!r} cannot be used here: {in_one_line(error)}") from error
    return name

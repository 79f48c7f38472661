"""Which arithmetic a run uses: what was typed, else what its preset says where the device can."""

from __future__ import annotations

from dataclasses import dataclass


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
    computes in fp32 and says so; its figures then come from another arithmetic than the published.

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

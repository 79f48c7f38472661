"""The circumstances of this process and of those beside it, as torch knows them."""

from __future__ import annotations

from typing import Any

import torch

from cl_bench.benchmark.config import RunConfig
from cl_bench.benchmark.processes import group
from cl_bench.benchmark.records.circumstances import session
from cl_bench.benchmark.records.manifest import Session


def here(config: RunConfig, device: torch.device, images_at_once: int | None) -> Session:
    """What a manifest keeps of them.

    Args:
        config: of the run.
        device: that it computes on.
        images_at_once: in training.
    """
    return session(
        device=str(device),
        threads=torch.get_num_threads(),
        **_on_gpu(config, device),
        processes=group.size(),
        micro_batch=images_at_once,
        deterministic=torch.are_deterministic_algorithms_enabled() or None,
    )


def _on_gpu(config: RunConfig, device: torch.device) -> dict[str, Any]:
    """What a manifest keeps of a GPU."""
    if device.type != "cuda":
        return {}
    tf32 = config.protocol.precision == "tf32"
    return {"gpu": torch.cuda.get_device_name(device), "tf32": tf32}

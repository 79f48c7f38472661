"""What a run costs: seconds by phase and peak memory."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch


class Stopwatch:
    """Adds up wall-clock seconds by phase, waiting for the device at each phase's ends."""

    def __init__(self, device: torch.device, seconds: Mapping[str, float] | None = None) -> None:
        """Start with no phases, or with what they took before."""
        self.seconds = dict(seconds or {})
        self._device = device
        self._under_way: dict[str, float] = {}  # phase -> when it began

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time the block and add it to phase ``name``."""
        self._under_way[name] = self._now()
        yield
        self.seconds = self.so_far()
        del self._under_way[name]

    def so_far(self) -> dict[str, float]:
        """Seconds by phase, a phase that lasts still included."""
        now = self._now()
        lasting = {name: now - start for name, start in self._under_way.items()}
        return self.seconds | {n: self.seconds.get(n, 0.0) + more for n, more in lasting.items()}

    def _now(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter()


def peak_memory(device: torch.device) -> dict[str, int]:
    """Highest use so far, in bytes: of the process, and of the GPU where there is one."""
    # ru_maxrss is in kilobytes on Linux and in bytes on macOS
    unit = 1 if sys.platform == "darwin" else 1024
    peak = {"process": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit}
    if device.type == "cuda":
        peak["gpu"] = torch.cuda.max_memory_allocated(device)
    return peak

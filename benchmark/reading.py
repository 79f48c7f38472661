"""Numbers read from the device while it works on."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class Reading:
    """A tensor's values on their way to the host.

    On a GPU the copy is in line behind the work that makes the values. Nobody waits for it here, and
    who asks for the values later waits for that work alone, not for what was put in line since then.
    """

    def __init__(self, x: Tensor) -> None:
        """Send ``x`` on its way."""
        self._copy = x.detach().to("cpu", non_blocking=True)  # into pinned memory, if from a GPU
        self._arrived: torch.cuda.Event | None = None
        if x.is_cuda:
            self._arrived = torch.cuda.Event()
            self._arrived.record(torch.cuda.current_stream(x.device))

    def values(self) -> list[Any]:
        """The values as nested lists."""
        if self._arrived is not None:
            self._arrived.synchronize()  # before this, the copy holds anything
        values: list[Any] = self._copy.tolist()
        return values

"""Bytes of all tensors that are alive at once, as operations make and drop them."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveBytes(TorchDispatchMode):
    """Meters what is made inside of it.

    Attributes:
        peak: the most bytes at once since it was last set.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = 0
        self._most = 0  # also counts what has gone since it was last counted
        self._alive: dict[int, tuple[StorageWeakRef, int]] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if not func.is_view:
            for tensor in tree_leaves(result):
                if isinstance(tensor, Tensor):
                    storage = tensor.untyped_storage()
                    self._alive[storage._cdata] = (StorageWeakRef(storage), storage.nbytes())
                    self._most += storage.nbytes()
            if self._most > self.peak:  # only then may it be a new peak
                self._alive = {k: v for k, v in self._alive.items() if not v[0].expired()}
                self._most = sum(size for _, size in self._alive.values())
                self.peak = max(self.peak, self._most)
        return result

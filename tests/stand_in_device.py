"""A stand-in for a GPU: real numbers on the CPU that may not be touched without being seen.

A tensor "on the device" wraps a CPU tensor and says that it lies on ``cpu:0``, which torch takes for
another device than ``cpu``. Inside :class:`StandIn`, every operation on such tensors is computed on
the wrapped ones, so that all results are those of the CPU. Noted is where a GPU would be disturbed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import disturbing
import torch
from disturbing import DEVICE, HOST, Kind, Seen, disturbance, tensors_in
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_map_only

# Whose lines ask for nothing themselves.
UNSEEN = (str(Path(torch.__file__).parent), disturbing.__file__, __file__)
MADE_OF_LISTS = (torch.tensor, torch.as_tensor, torch.asarray)


class OnDevice(Tensor):
    """A tensor on the stand-in for a GPU."""

    inner: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, inner: Tensor) -> OnDevice:
        made: OnDevice = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls, inner.shape, strides=inner.stride(), storage_offset=inner.storage_offset(),
            dtype=inner.dtype, device=DEVICE,
        )  # fmt: skip
        made.inner = inner
        return made

    @property
    def is_cuda(self) -> bool:
        """As a GPU's tensor says; torch itself asks the device."""
        return True

    def tolist(self) -> Any:
        """By way of the host; torch has none for classes of one's own."""
        return self.to(HOST).tolist()

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise RuntimeError(f"{func} on the device, in a thread or a place outside of StandIn")


class StandIn(TorchDispatchMode):
    """Inside, tensors can be on the device.

    Attributes:
        seen: what would have disturbed a GPU, in order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Seen] = []
        self._phases = ["outside"]
        self._pinned: dict[int, Tensor] = {}  # by address; kept, so that no address is used again
        self.on_their_way: list[tuple[Tensor, Tensor]] = []  # copies to the host, and their values

    @contextmanager
    def playing(self) -> Iterator[StandIn]:
        """Enter; modules can be moved to the device, lists become tensors on it, memory is pinned."""
        before = torch.__future__.get_overwrite_module_params_on_conversion()
        torch.__future__.set_overwrite_module_params_on_conversion(True)
        patches = [
            mock.patch.object(Tensor, "pin_memory", lambda x: self._pinned_copy(x)),
            mock.patch.object(torch.cuda, "Event", partial(_Event, self)),
            mock.patch.object(torch.cuda, "current_stream"),
            *(mock.patch.object(torch, m.__name__, _by_way_of_host(m)) for m in MADE_OF_LISTS),
        ]
        try:
            with ExitStack() as entered:
                for patch in patches:
                    entered.enter_context(patch)
                with self:
                    yield self
        finally:
            torch.__future__.set_overwrite_module_params_on_conversion(before)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Inside, what is seen belongs to phase ``name``."""
        self._phases.append(name)
        try:
            yield
        finally:
            self._phases.pop()

    @property
    def now(self) -> str:
        """The present phase."""
        return self._phases[-1]

    def _pinned_copy(self, x: Tensor) -> Tensor:
        pinned = torch.from_numpy(x.numpy().copy())
        self._pinned[pinned.data_ptr()] = pinned
        return pinned

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        target = kwargs.get("device")
        given = tuple(tensors_in((args, tuple(kwargs.values()))))
        if target != DEVICE and not any(isinstance(x, OnDevice) for x in given):
            return func(*args, **kwargs)
        name = func._schema.name.removeprefix("aten::")
        found = disturbance(name, func._overloadname, args, kwargs, self._pinned)
        if found is not None:
            self.note(*found)
        bare = {key: _changed(x, OnDevice, _inner) for key, x in kwargs.items()}
        if target is not None:
            bare["device"] = HOST
        result = func(*_changed(args, OnDevice, _inner), **bare)
        if name == "copy_":
            return args[0]
        if target not in (None, DEVICE):
            return self._to_host(result, kwargs.get("non_blocking", False))
        wrapped = _changed(result, Tensor, OnDevice)
        return return_and_correct_aliasing(func, args, kwargs, wrapped)

    def note(self, kind: Kind, what: str) -> None:
        """Something is seen."""
        self.seen.append(Seen(kind, what, _asker(), self.now))

    def _to_host(self, values: Tensor, unblocked: bool) -> Tensor:
        """A copy; if nobody waits for it, it holds anything until an event is waited for."""
        if not unblocked:
            return values
        copy = torch.full_like(values, 77)
        self.on_their_way.append((copy, values.clone()))
        return copy


class _Event:
    """Of a GPU: waits for all that was in line when it was recorded."""

    def __init__(self, stand_in: StandIn) -> None:
        self._stand_in = stand_in
        self._before: list[tuple[Tensor, Tensor]] = []

    def record(self, stream: object) -> None:
        self._before, self._stand_in.on_their_way = self._stand_in.on_their_way, []

    def synchronize(self) -> None:
        self._stand_in.note("wait", "an event")
        for copy, values in self._before:
            copy.copy_(values)


def _by_way_of_host(make: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """As for a GPU, tensors are made of lists on the host and copied; torch hides it from modes."""

    def made(*args: Any, **kwargs: Any) -> Tensor:
        if kwargs.get("device") != DEVICE:
            return make(*args, **kwargs)
        return make(*args, **kwargs | {"device": HOST}).to(DEVICE)

    return made


def _changed(x: Any, kind: type[Tensor], change: Callable[[Any], Tensor]) -> Any:
    """``x`` with tensors of a kind changed, in lists, too."""
    if isinstance(x, kind):
        return change(x)
    if isinstance(x, list | tuple):
        return type(x)(_changed(item, kind, change) for item in x)
    return x


def _asker() -> str:
    """The innermost line that is neither torch's nor of this file."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(UNSEEN):
        frame = frame.f_back
    return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"


def _inner(x: OnDevice) -> Tensor:
    return x.inner


def host_copy(state: Any) -> Any:
    """Nested tensors, those on the device as they are on the host."""
    return tree_map_only(OnDevice, lambda x: x.inner, state)

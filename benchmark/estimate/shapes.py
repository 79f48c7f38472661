"""What code would compute, without computing it: tensors with a shape and no content, every operation counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

Amounts = NDArray[np.float64]
KINDS = ("flops", "cubes", "bytes", "operations")  # of work, in the order of an array of amounts
CONTENT = 1e-3  # of every element: a product of such is finite, and no weight stays what it was
LARGE = 2**22  # bytes: whole numbers beside floating-point results are 0 in an operation on more
aten = torch.ops.aten
REAL = {aten.detach.default, aten.lift_fresh.default, aten.set_.source_Storage_storage_offset}
DECOMPOSITIONS = {aten._linalg_eigh, aten._linalg_svd, aten.linalg_qr}

# Their whole numbers say whether the content could be factorised; 0: it could.
CHECKED = {aten.linalg_cholesky_ex, aten.linalg_inv_ex, aten._linalg_solve_ex}


def without_content(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """A tensor on the CPU that takes the memory of one element, whatever its shape."""
    value = CONTENT if dtype.is_floating_point else 0
    return torch.full((1,), value, dtype=dtype).as_strided(tuple(shape), (0,) * len(shape))


def empty_of_content(module: nn.Module) -> None:
    """Put tensors without content in the place of all that a module holds."""
    for part in module.modules():
        for name, parameter in part.named_parameters(recurse=False):
            empty = without_content(parameter.shape, parameter.dtype)
            setattr(part, name, nn.Parameter(empty, parameter.requires_grad))
        for name, buffer in part.named_buffers(recurse=False):
            setattr(part, name, without_content(buffer.shape, buffer.dtype))


@dataclass(frozen=True)
class _Result:
    """What an operation makes of inputs of certain shapes.

    Attributes:
        made: on torch's meta device; ``None``: results have content and must be computed.
        work: amounts, by ``KINDS``.
        largest: bytes of its inputs and results.
    """

    made: Any
    work: Amounts
    largest: int


class ShapesOnly(TorchDispatchMode):
    """Inside, floating-point results have a shape and no content; whole numbers are computed.

    So code runs that asks for tokens, indices or counts, at the cost of Python alone. What is decided
    by floating-point numbers is decided as if all were equal.

    Attributes:
        work: amounts so far, by ``KINDS``; a cube is d³ of a matrix [d, d] that is decomposed, and
            bytes are those of all inputs and results.
        largest: bytes of the operation that handles the most.
    """

    def __init__(self) -> None:
        """Nothing is counted yet."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.work: Amounts = np.zeros(len(KINDS))
        self.largest = 0
        self._known: dict[Any, _Result] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Count an operation, and compute it where its results have content."""
        kwargs = kwargs or {}
        if func.is_view or func in REAL:
            return func(*args, **kwargs)
        if func._schema.is_mutable:
            return self._changed(func, args, kwargs)
        key = (func, _key(args), _key(tuple(kwargs.items())))
        result = self._known.get(key)
        if result is None:
            result = self._known[key] = _outcome(func, args, kwargs)
        self.work += result.work
        self.largest = max(self.largest, result.largest)
        return func(*args, **kwargs) if result.made is None else _emptied(result.made)

    def _changed(self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """An operation that writes into its inputs; what it writes into becomes another value."""
        written = args[0] if isinstance(args[0], list | tuple) else [args[0]]
        self.work += np.array([0, 0, _bytes(args) + _bytes(written), 1])
        if not all(t.is_floating_point() for t in written):
            return func(*args, **kwargs)
        for tensor in written:
            if 0 not in tensor.shape:
                tensor.as_strided((1,), (1,)).add_(CONTENT)
        return args[0] if func._schema.returns else None


def _key(value: Any) -> Any:
    """What an operation's results depend on, content aside."""
    if isinstance(value, Tensor):
        return value.shape, value.dtype
    if isinstance(value, list | tuple):
        return tuple([_key(inner) for inner in value])
    return (type(value), value) if isinstance(value, bool | int | float) else str(value)


def _outcome(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> _Result:
    """What an operation makes of inputs of these shapes."""
    used = _bytes(args)
    try:
        made = func(*_on_meta(args), **{name: _on_meta(value) for name, value in kwargs.items()})
    except (NotImplementedError, RuntimeError):  # its results' shapes depend on content
        return _Result(None, np.array([0, 0, used, 1.0]), used)
    results = list(made) if isinstance(made, list | tuple) else [made]
    tensors = [r for r in results if isinstance(r, Tensor)]
    flops, cubes = 0.0, 0.0
    if (count := flop_registry.get(func._overloadpacket)) is not None:
        double = any(r.dtype == torch.float64 for r in tensors)
        flops = count(*args, **kwargs, out_val=made) * (2 if double else 1)
    if func._overloadpacket in DECOMPOSITIONS:
        *many, rows, columns = args[0].shape
        cubes = float(np.prod(many)) * rows * columns * min(rows, columns)
    largest = used + _bytes(tensors)
    floats = [r.is_floating_point() for r in tensors]
    checked = func._overloadpacket in CHECKED
    is_empty = any(floats) and (all(floats) or largest > LARGE or checked)
    work = np.array([flops, cubes, largest, 1])
    return _Result(made if is_empty else None, work, largest)


def _on_meta(value: Any) -> Any:
    if isinstance(value, Tensor):
        return torch.empty(value.shape, dtype=value.dtype, device="meta")
    if isinstance(value, list | tuple):
        return [_on_meta(inner) for inner in value]
    return torch.device("meta") if isinstance(value, torch.device) else value


def _emptied(made: Any) -> Any:
    """Results on torch's meta device as tensors without content."""
    if isinstance(made, Tensor):
        return without_content(made.shape, made.dtype)
    return type(made)(map(_emptied, made)) if isinstance(made, list | tuple) else made


def _bytes(values: Sequence[Any]) -> int:
    total = 0
    for value in values:
        if isinstance(value, Tensor):
            total += value.numel() * value.element_size()
        elif isinstance(value, list | tuple):
            total += _bytes(value)
    return total


def saved_bytes(run: Callable[[], Any], known: set[int]) -> int:
    """Bytes that a forward pass without content keeps for its backward pass.

    Args:
        run: the forward pass; what it returns is kept alive until the count is done.
        known: addresses of tensors that are there anyway, such as weights.
    """
    found: dict[int, int] = {}
    held: list[Tensor] = []  # so that no address is used twice

    def pack(tensor: Tensor) -> Tensor:
        if tensor.data_ptr() not in known:
            size = tensor.numel() * tensor.element_size()
            found[tensor.data_ptr()] = max(found.get(tensor.data_ptr(), 0), size)
            held.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = run()
    del result
    return sum(found.values())

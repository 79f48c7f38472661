"""The tensors of a TorchScript archive, which OpenAI's weight files are; its program is not run.

``torch.jit.load`` is not used: it runs a module's own ``__setstate__`` while it loads, and TorchScript
can write files. What is read here is the archive's pickle, by a reader that builds plain values only.
"""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

STORAGES = {
    "DoubleStorage": "float64", "FloatStorage": "float32", "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16", "LongStorage": "int64", "IntStorage": "int32",
    "ShortStorage": "int16", "CharStorage": "int8", "ByteStorage": "uint8", "BoolStorage": "bool",
}  # fmt: skip
# The names of a module's parameters and buffers, as its source in the archive lists them.
LISTED = re.compile(
    r"^class (\w+)\(Module\):\n  __parameters__ = \[([^\]]*)\]\n(?:  __buffers__ = \[([^\]]*)\]\n)?",
    re.MULTILINE,
)


class _Module:
    """Stands for a TorchScript module: its attributes, and where its source lies."""

    source: str  # e.g. __torch__.clip.model.Transformer
    attributes: Mapping[str, Any]

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, dict):
            raise pickle.UnpicklingError(f"{self.source} sets its state by code of its own")
        self.attributes = state


def is_torchscript(file: Path) -> bool:
    """Whether a file is a TorchScript archive."""
    if not zipfile.is_zipfile(file):
        return False
    with zipfile.ZipFile(file) as archive:
        return any(name.endswith("constants.pkl") for name in archive.namelist())


def read_torchscript(file: Path) -> dict[str, Tensor]:
    """The parameters and buffers of a TorchScript archive by their names in its state dict.

    Raises:
        pickle.UnpicklingError: the archive would run code, or holds something else than a module. A
            damaged one may raise anything.
    """
    with zipfile.ZipFile(file) as archive:
        (pickled,) = (n for n in archive.namelist() if re.fullmatch(r"[^/]+/data\.pkl", n))
        root = pickled.removesuffix("data.pkl")
        with archive.open(pickled) as stream:
            module = _Unpickler(stream, archive, root).load()
        if not isinstance(module, _Module):
            raise pickle.UnpicklingError("it holds no module")
        return dict(_tensors(module, "", archive, root))


class _Unpickler(pickle.Unpickler):
    """Builds modules as their attributes, tensors from their bytes, and nothing else."""

    def __init__(self, stream: Any, archive: zipfile.ZipFile, root: str) -> None:
        super().__init__(stream)
        self._archive, self._root = archive, root

    def find_class(self, module: str, name: str) -> Any:
        """Stand-ins for what such archives name; any other name could run any code: it is refused."""
        if module == "__torch__" or module.startswith("__torch__."):
            return type("_Module", (_Module,), {"source": f"{module}.{name}"})
        if module == "torch" and name in STORAGES:
            return STORAGES[name]
        plain = {
            ("torch._utils", "_rebuild_tensor_v2"): _rebuilt,
            ("collections", "OrderedDict"): dict,
        }
        if module == "torch.jit._pickle" and re.fullmatch(r"build_\w+list|restore_type_tag", name):
            return _value
        if (module, name) not in plain:
            raise pickle.UnpicklingError(
                f"it wants to call {module}.{name}, which weights never do"
            )
        return plain[module, name]

    def persistent_load(self, pid: Any) -> Any:
        """The numbers of a storage, in one dimension."""
        import torch

        _, kind, key, _, count = pid
        content = bytearray(self._archive.read(f"{self._root}data/{key}"))
        dtype: torch.dtype = getattr(torch, kind)
        if len(content) != count * dtype.itemsize:
            raise ValueError(f"data/{key} has {len(content):,} bytes for {count:,} numbers")
        return torch.frombuffer(content, dtype=dtype) if count else torch.empty(0, dtype=dtype)


def _rebuilt(storage: Tensor, offset: int, size: Any, stride: Any, *_: object) -> Tensor:
    """A tensor as it lies in its storage; torch refuses one that reaches beyond it."""
    return storage.as_strided(tuple(size), tuple(stride), offset)


def _value(value: Any, *_: object) -> Any:
    """A list, or a value with the name of its type."""
    return value


def _tensors(
    module: _Module, prefix: str, archive: zipfile.ZipFile, root: str
) -> Iterator[tuple[str, Tensor]]:
    """Every parameter and buffer of a module and of those in it."""
    listed = _listed(module.source, archive, root)
    for name, value in module.attributes.items():
        if isinstance(value, _Module):
            yield from _tensors(value, f"{prefix}{name}.", archive, root)
        elif name in listed:
            yield prefix + name, value


def _listed(source: str, archive: zipfile.ZipFile, root: str) -> set[str]:
    """The names of a module's own parameters and buffers."""
    folder, _, name = source.rpartition(".")
    text = archive.read(f"{root}code/{folder.replace('.', '/')}.py").decode()
    (found,) = (match for match in LISTED.finditer(text) if match[1] == name)
    return set(re.findall(r'"([^"]+)"', f"{found[2]} {found[3] or ''}"))

"""Methods by name: the built-in ones, installed plug-ins, and files of one's own."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cl_bench.benchmark.errors import UserError, unknown

if TYPE_CHECKING:  # the list of names must not cost the seconds that torch takes to import
    from cl_bench.benchmark.method import Method

# name -> class, and what it is in one line
BUILT_IN = {
    "zero-shot": ("cl_bench.methods.zero_shot:ZeroShot", "the pre-trained CLIP, unchanged"),
    "finetune": ("cl_bench.methods.finetune:FineTune", "sequential full fine-tuning"),
    "lora": ("cl_bench.methods.lora:LoRA", "sequential LoRA on q, k, v, o, merged after each task"),
    "keeplora": (
        "cl_bench.methods.keeplora:KeepLoRA",
        "LoRA confined to the residual subspace of weights and earlier features",
    ),
}
GROUP = "cl_bench.methods"


@dataclass(frozen=True)
class MethodEntry:
    """A method and its published settings.

    Attributes:
        name: on the command line.
        method: its class.
        settings: the TOML file beside its source, empty where there is none.
    """

    name: str
    method: type[Method]
    settings: Mapping[str, Any]

    def defaults(self, suite: str, table: str) -> dict[str, Any]:
        """Values of ``table`` (``config`` or ``recipe``): the published ones, then the suite's."""
        own: dict[str, Any] = self.settings.get(suite, {}).get(table, {})
        return {**self.settings.get(table, {}), **own}


def known_methods() -> dict[str, str]:
    """Every name that needs no ``--plugin``, and one line on each; imports no method."""
    found = {name: about for name, (_, about) in BUILT_IN.items()}
    for point in entry_points(group=GROUP):
        found.setdefault(point.name, f"plug-in {point.value}")
    return found


def find_method(name: str, plugin: Path | None = None) -> MethodEntry:
    """The method called ``name``.

    Args:
        name: from the catalogue, or a class of ``plugin`` in lower case with hyphens.
        plugin: a Python file that defines methods.

    Raises:
        UserError: there is no such method, or the plug-in cannot be loaded.
    """
    if plugin is not None:
        classes = _plugin_classes(plugin)
        if name in classes:
            return _entry(name, classes[name])
        raise unknown(f"method of {plugin}", name, classes)
    if name in BUILT_IN:
        module, _, attribute = BUILT_IN[name][0].partition(":")
        return _entry(name, getattr(importlib.import_module(module), attribute))
    for point in entry_points(group=GROUP):
        if point.name == name:
            return _entry(name, point.load())
    raise unknown("method", name, known_methods())


def _entry(name: str, method: type[Method]) -> MethodEntry:
    settings = Path(inspect.getfile(method)).with_suffix(".toml")
    return MethodEntry(
        name, method, tomllib.loads(settings.read_text()) if settings.is_file() else {}
    )


def _plugin_classes(path: Path) -> dict[str, type[Method]]:
    """Run the file and collect the methods it defines, under kebab-case names."""
    from cl_bench.benchmark.method import Method

    if not path.is_file():
        raise UserError(f"the plug-in {path} does not exist")
    spec = importlib.util.spec_from_file_location(f"cl_bench_plugin_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UserError(f"the plug-in {path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # a plug-in may raise anything
        raise UserError(f"the plug-in {path} cannot be loaded: {error!r}") from error
    classes = {
        re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", c.__name__).lower(): c
        for c in vars(module).values()
        if inspect.isclass(c) and issubclass(c, Method) and c.__module__ == spec.name
    }
    if not classes:
        raise UserError(f"the plug-in {path} defines no subclass of cl_bench.benchmark.Method")
    return classes

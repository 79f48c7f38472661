"""Methods by name: the built-in ones, installed plug-ins, and files of one's own."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cl_bench.benchmark.config import Settings
from cl_bench.benchmark.errors import unknown
from cl_bench.benchmark.method_config import MethodConfig
from cl_bench.methods.plugin_file import hyphenated, plugin_classes
from cl_bench.methods.settings_file import FOLDER, read_settings

if TYPE_CHECKING:  # the list of names must not cost the seconds that torch takes to import
    from cl_bench.benchmark.method import Method

# A name stands for a class and for NAME.toml beside it. Several names may share a class: they differ
# in their settings alone. The Config of CLASS is CLASSConfig in configs/, without torch.
BUILT_IN = {
    "zero-shot": "cl_bench.methods.zero_shot:ZeroShot",
    "finetune": "cl_bench.methods.finetune:FineTune",
    "lora": "cl_bench.methods.lora:LoRA",
    "keeplora": "cl_bench.methods.keeplora:KeepLoRA",
    "keeplora+": "cl_bench.methods.keeplora:KeepLoRA",
    "keeplora++": "cl_bench.methods.keeplora:KeepLoRA",
    "keeplora-kd": "cl_bench.methods.keeplora:KeepLoRA",
    "zscl": "cl_bench.methods.zscl:ZSCL",
    "moe-adapters": "cl_bench.methods.moe_adapters:MoEAdapters",
    "wc": "cl_bench.methods.zscl:ZSCL",
    "lwf": "cl_bench.methods.zscl:ZSCL",
    "lwf-vr": "cl_bench.methods.zscl:ZSCL",
    "wise-ft": "cl_bench.methods.zscl:ZSCL",
    "o-lora": "cl_bench.methods.o_lora:OLoRA",
    "inflora": "cl_bench.methods.inflora:InfLoRA",
    "sd-lora": "cl_bench.methods.sd_lora:SDLoRA",
    "rail": "cl_bench.methods.rail:RAIL",
    "rail-dual": "cl_bench.methods.rail_dual:RAILDual",
    "codyra": "cl_bench.methods.codyra:CoDyRA",
    "gpm": "cl_bench.methods.gpm:GPM",
    "diki": "cl_bench.methods.diki:DIKI",
    "iap": "cl_bench.methods.iap:IAP",
    "gift": "cl_bench.methods.gift:GIFT",
    "condu": "cl_bench.methods.condu:ConDU",
    "condu-lora": "cl_bench.methods.condu:ConDU",
    "er": "cl_bench.methods.er:ER",
    "lada": "cl_bench.methods.lada:LADA",
    "individual": "cl_bench.methods.individual:Individual",
    "joint": "cl_bench.methods.joint:Joint",
}
GROUP = "cl_bench.methods"


class MethodCard(Settings):
    """What a method is, for people; the table ``[about]`` of its settings file."""

    about: str
    """One line."""
    paper: str = "-"
    """Where it was published."""
    year: int | None = None
    needs: tuple[str, ...] = ()
    """Extra data under its default settings."""
    trainable: int | None = None
    """Numbers that train in one task on CLIP ViT-B/16, under default settings."""
    bound: bool = False
    """As the method's class says: a reference that learns by other rules."""
    told_task: bool = False
    """As the method's class says: it must know whose classes it chooses between."""


@dataclass(frozen=True)
class MethodEntry:
    """A method and its published settings. Of a built-in one, ``method`` alone needs torch.

    Attributes:
        name: on the command line.
        load: brings its class.
        Config: what can be set of it.
        bound: whether it is a reference that learns by other rules.
        told_task: whether it must know whose classes it chooses between.
        settings: its settings file with what that extends; empty where there is none.
        file: the settings file itself.
        plugin: the file that ``--plugin`` named and that defines it.
    """

    name: str
    load: Callable[[], type[Method]]
    Config: type[MethodConfig]
    bound: bool
    told_task: bool
    settings: Mapping[str, Any]
    file: Path | None = None
    plugin: Path | None = None

    @property
    def method(self) -> type[Method]:
        """Its class."""
        return self.load()

    def __reduce__(self) -> tuple[Callable[..., MethodEntry], tuple[str, Path | None]]:
        """Travel by name: another process has not imported the file of a plug-in."""
        return find_method, (self.name, self.plugin)

    def defaults(self, table: str, preset: str, suite: str) -> dict[str, Any]:
        """Values of ``table`` (``config``, ``recipe``, ``budget`` or ``protocol``).

        First those of every preset; on top the published ones for ``paper``, or the ones chosen
        for the suite for ``fair``.
        """
        special = self.settings.get("paper" if preset == "paper" else suite, {})
        return {**self.settings.get(table, {}), **special.get(table, {})}


def known_methods() -> dict[str, MethodCard]:
    """Every name that needs no ``--plugin``, and what it is; imports no method."""
    found = {name: MethodCard.model_validate(_read(name)["about"]) for name in BUILT_IN}
    for point in entry_points(group=GROUP):
        found.setdefault(point.name, MethodCard(about=f"plug-in {point.value}"))
    return found


def _read(name: str) -> dict[str, Any]:
    return read_settings(_file(name))


def _file(name: str) -> Path:
    return FOLDER / f"{name}.toml"


def find_method(name: str, plugin: Path | None = None) -> MethodEntry:
    """The method called ``name``.

    Args:
        name: from the catalogue, or a class of ``plugin`` in lower case with hyphens.
        plugin: a Python file that defines methods; its names go before those of the catalogue.

    Raises:
        UserError: there is no such method, or the plug-in cannot be loaded.
    """
    own = plugin_classes(plugin) if plugin is not None else {}
    if name in own:
        return replace(_beside(name, own[name]), plugin=plugin)
    if name in BUILT_IN:
        return _built_in(name)
    for point in entry_points(group=GROUP):
        if point.name == name:
            return _beside(name, point.load())
    raise unknown("method", name, [*own, *known_methods()])


def name_of(method: type) -> str:
    """The name by which a class is run: of the catalogue, else its own in lower case with hyphens."""
    place = f"{method.__module__}:{method.__name__}"
    built_in = next((name for name, known in BUILT_IN.items() if known == place), None)
    return built_in or hyphenated(method.__name__)


def _built_in(name: str) -> MethodEntry:
    """A built-in method's entry, read from its settings files and its Config."""
    module, _, attribute = BUILT_IN[name].partition(":")
    settings = _read(name)
    card = MethodCard.model_validate(settings["about"])
    config = _attribute(module.replace(".methods.", ".methods.configs."), f"{attribute}Config")
    load = partial(_attribute, module, attribute)
    return MethodEntry(name, load, config, card.bound, card.told_task, settings, _file(name))


def _attribute(module: str, name: str) -> Any:
    return getattr(importlib.import_module(module), name)


def _beside(name: str, method: type[Method]) -> MethodEntry:
    """A plug-in's entry: its settings file lies beside its source, where there is one."""
    file = Path(inspect.getfile(method)).with_suffix(".toml").resolve()
    there = file if file.is_file() else None
    settings = read_settings(there) if there else {}
    return MethodEntry(
        name, lambda: method, method.Config, method.bound, method.told_task, settings, there
    )

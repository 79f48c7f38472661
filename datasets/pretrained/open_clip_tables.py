"""open_clip's tables of models and weights, read from its files: importing it brings torch and takes seconds.

Where open_clip is imported already, it is asked itself: a program may have added models to it.
"""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

ALIAS = "cl_bench_open_clip_files"  # open_clip's folder as a package whose __init__ does not run
OF_A_MODEL = ("embed_dim", "vision_cfg", "text_cfg")  # what open_clip expects in its configuration
ASKS_FOR_TORCH = "safetensors.torch"  # imported by the table of weights, which does without it


def model_names() -> list[str]:
    """Every model that open_clip has a configuration for, in its order."""
    loaded = sys.modules.get("open_clip")
    return loaded.list_models() if loaded else list(_configs_of_files())


def model_config(name: str) -> Mapping[str, Any] | None:
    """A model's configuration; nothing where there is no such model."""
    loaded = sys.modules.get("open_clip")
    return loaded.get_model_config(name) if loaded else _configs_of_files().get(name)


def pretrained_tags(name: str) -> dict[str, dict[str, Any]]:
    """What open_clip knows of every weights' tag of a model, by tag."""
    table: Any = sys.modules.get("open_clip") or _pretrained()
    tags = table.list_pretrained_tags_by_model(name)
    return {tag: table.get_pretrained_cfg(name, tag) for tag in tags}


def imagenet_tables() -> tuple[Sequence[str], tuple[str, ...]]:
    """ImageNet's class names in the order of their sorted synsets, and its prompts with one ``{}`` each."""
    loaded: Any = sys.modules.get("open_clip") or _module("zero_shot_metadata")
    prompts = tuple(write("{}") for write in loaded.OPENAI_IMAGENET_TEMPLATES)
    return loaded.IMAGENET_CLASSNAMES, prompts


@cache
def _configs_of_files() -> Mapping[str, dict[str, Any]]:
    files = (_folder() / "model_configs").glob("*.json")
    contents = {file.stem: json.loads(file.read_text()) for file in files}
    models = [name for name, config in contents.items() if all(k in config for k in OF_A_MODEL)]
    return {name: contents[name] for name in sorted(models, key=_with_numbers)}


def _with_numbers(name: str) -> list[tuple[int, str]]:
    """A key to sort by, in which 16 stands before 101."""
    parts = re.split(r"(\d+)", name.lower())
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


@cache
def _pretrained() -> ModuleType:
    """The module of open_clip that lists weights, under another package's name."""
    with _absent(ASKS_FOR_TORCH):
        return _module("pretrained")


def _module(name: str) -> ModuleType:
    """A module of open_clip under another package's name."""
    package = ModuleType(ALIAS)
    package.__path__ = [str(_folder())]
    sys.modules.setdefault(ALIAS, package)
    return importlib.import_module(f"{ALIAS}.{name}")


@contextmanager
def _absent(module: str) -> Iterator[None]:
    """Let the import of a module fail, unless it is imported already."""
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[module]


def _folder() -> Path:
    spec = find_spec("open_clip")
    assert spec is not None and spec.submodule_search_locations, "open_clip_torch is not installed"
    return Path(spec.submodule_search_locations[0])

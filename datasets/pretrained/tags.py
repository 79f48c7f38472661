"""open_clip's names: a model, the same model with QuickGELU, and the tags of their weights."""

from __future__ import annotations

from typing import Any

from cl_bench.datasets.pretrained.architectures import all_models
from cl_bench.datasets.pretrained.open_clip_tables import pretrained_tags

QUICK, PLAIN = "-quickgelu", "-gelu"


def model_name(backbone: str) -> str:
    """open_clip's name of a backbone: without the ``-gelu`` that only cl-bench's names carry."""
    return backbone.removesuffix(PLAIN)


def base_name(backbone: str) -> str:
    """open_clip's name of the same model with GELU."""
    return model_name(backbone).removesuffix(QUICK)


def twin(backbone: str) -> str | None:
    """The name of the same model with QuickGELU, where open_clip has one."""
    name = f"{base_name(backbone)}{QUICK}"
    return name if name in all_models() else None


def tags_of(backbone: str) -> dict[str, dict[str, Any]]:
    """What open_clip knows of every tag of a model, with either activation: by tag."""
    names = (base_name(backbone), twin(backbone))
    return {tag: config for name in names if name for tag, config in pretrained_tags(name).items()}

"""The eleven MTIL data sets: facts, class names, and where their files belong. No torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


def facts() -> dict[str, Any]:
    """Orders, layouts, splits, sizes, prompts and class names (``facts.json``)."""
    loaded: dict[str, Any] = json.loads((FOLDER / "facts.json").read_text())
    return loaded


def names_in_files(dataset: str) -> tuple[str, ...]:
    """What the full data set's own files call its classes, in label order (``classnames/``)."""
    return tuple((FOLDER / "classnames" / f"{dataset}.txt").read_text("utf-8").splitlines())


def names_in_prompts(dataset: str) -> tuple[str, ...]:
    """What prompts call the classes of the full data set, in label order.

    As ZSCL and KeepLoRA do: Caltech101, EuroSAT and Flowers have names of their own (``facts.json``);
    the others have the files' names, with a space for every ``_``.
    """
    own = facts()["datasets"][dataset].get("class_names")
    return tuple(own or (name.replace("_", " ") for name in names_in_files(dataset)))


def missing_files(root: Path | None) -> dict[str, list[str]]:
    """Per data set, the files and folders it needs that ``root`` lacks."""
    return {
        name: [path for path in d["required"] if root is None or not (root / path).exists()]
        for name, d in facts()["datasets"].items()
    }

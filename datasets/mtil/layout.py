"""The eleven MTIL data sets: facts, and where their files belong. No torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


def facts() -> dict[str, Any]:
    """Orders, layouts, splits, sizes, prompts and class names (``facts.json``)."""
    loaded: dict[str, Any] = json.loads((FOLDER / "facts.json").read_text())
    return loaded


def expected_classnames(name: str) -> tuple[str, ...]:
    """PLACEHOLDER until the readers arrive."""
    d = facts()["datasets"][name]
    return tuple(d.get("class_names", [f"class {i}" for i in range(d["classes"])]))


def missing_files(root: Path | None) -> dict[str, list[str]]:
    """Per data set, the files and folders it needs that ``root`` lacks."""
    return {
        name: [path for path in d["required"] if root is None or not (root / path).exists()]
        for name, d in facts()["datasets"].items()
    }

"""The eleven MTIL data sets: facts, and where their files belong. No torch."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from cl_bench.datasets.suite import MtilSource, Suite, TaskSpec

FOLDER = Path(__file__).parent


def facts() -> dict[str, Any]:
    """Orders, layouts, splits, sizes, prompts and class names (``facts.json``)."""
    loaded: dict[str, Any] = json.loads((FOLDER / "facts.json").read_text())
    return loaded


def mtil_suite() -> Suite:
    """The real benchmark under KeepLoRA's published budget and prompts."""
    known = facts()
    tasks = [
        TaskSpec(
            name=name,
            # Names that torchvision's files bring are read with the data.
            classnames=tuple(d.get("class_names", [f"class {i}" for i in range(d["classes"])])),
            templates=tuple(d["templates"]["keeplora"]),
            source=MtilSource(dataset=name),
            train_size=d["train"],
            test_size=d["test"],
        )
        for name, d in known["datasets"].items()
    ]
    settings = tomllib.loads((FOLDER / "suite.toml").read_text())
    return Suite(tasks=tasks, orders=known["orders"], **settings)


def missing_files(root: Path | None) -> dict[str, list[str]]:
    """Per data set, the files and folders it needs that ``root`` lacks."""
    return {
        name: [path for path in d["required"] if root is None or not (root / path).exists()]
        for name, d in facts()["datasets"].items()
    }

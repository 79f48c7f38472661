"""The eleven MTIL data sets: facts, class names, and where their files belong. No torch."""

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


def names_in_files(dataset: str) -> tuple[str, ...]:
    """What the full data set's own files call its classes, in label order (``classnames/``)."""
    return tuple((FOLDER / "classnames" / f"{dataset}.txt").read_text("utf-8").splitlines())


def names_in_prompts(dataset: str) -> tuple[str, ...]:
    """What prompts call the classes of the full data set, in label order.

    As ZSCL and KeepLoRA do: names of their own for Caltech101, EuroSAT and Flowers (``facts.json``),
    elsewhere the files' with ``_`` as a space.
    """
    own = facts()["datasets"][dataset].get("class_names")
    return tuple(own or (name.replace("_", " ") for name in names_in_files(dataset)))


def mtil_suite() -> Suite:
    """The real benchmark under KeepLoRA's published budget and prompts."""
    known = facts()
    tasks = [
        TaskSpec(
            name=name,
            classnames=names_in_prompts(name),
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

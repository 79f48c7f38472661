"""The class names of a Hugging Face copy: in the Parquet file, or in a file beside it. No torch."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from cl_bench.benchmark.errors import UserError, in_one_line
from cl_bench.benchmark.text_file import read_text


def class_names_in(metadata: Mapping[bytes, bytes], label: str) -> tuple[str, ...] | None:
    """The names that a Parquet file's own metadata give the labels in column ``label``."""
    try:
        features = (
            json.loads(metadata.get(b"huggingface", b"{}")).get("info", {}).get("features", {})
        )
        return _names(features.get(label) or {})
    except (ValueError, AttributeError, TypeError):
        return None


def class_names_beside(folder: Path, label: str) -> tuple[str, ...] | None:
    """The names that README.md, dataset_info.json or names.txt in ``folder`` give the labels.

    Raises:
        UserError: one of these files cannot be read.
    """
    for file, names_in in (
        ("README.md", _of_readme),
        ("dataset_info.json", _of_info),
        ("names.txt", _of_list),
    ):
        if (path := folder / file).is_file():
            try:
                if names := names_in(read_text(path, "description"), label):
                    return names
            except (ValueError, AttributeError, KeyError, TypeError, yaml.YAMLError) as error:
                words = f"{path} names no classes of {label!r}: {in_one_line(error)}"
                raise UserError(words) from error
    return None


def _of_readme(text: str, label: str) -> tuple[str, ...] | None:
    """From the YAML between the first two lines of dashes."""
    head = re.match(r"---\n(.*?)\n---", text, re.DOTALL)
    info = yaml.safe_load(head[1]).get("dataset_info", []) if head else []
    for one in info if isinstance(info, list) else [info]:
        for feature in one.get("features", []):
            if feature["name"] == label and isinstance(feature["dtype"], dict):
                return _names(feature["dtype"]["class_label"])
    return None


def _of_info(text: str, label: str) -> tuple[str, ...] | None:
    return _names(json.loads(text)["features"][label])


def _of_list(text: str, _: str) -> tuple[str, ...] | None:
    return tuple(text.splitlines()) or None


def _names(feature: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Names as a list, or numbered from 0 without a gap."""
    names = feature.get("names")
    if isinstance(names, dict):
        numbered = {int(number): str(name) for number, name in names.items()}
        if sorted(numbered) != list(range(len(numbered))):
            return None
        names = [numbered[i] for i in range(len(numbered))]
    return tuple(map(str, names)) if names else None

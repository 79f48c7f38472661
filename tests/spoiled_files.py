"""Ways to spoil the files of a data set, each a function of its root."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scipy.io import loadmat, savemat


def remove(pattern: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        files = sorted(root.glob(pattern))
        assert files
        for file in files:
            file.unlink()

    return change


def cut(path: str, keep: int = 150) -> Callable[[Path], None]:
    return lambda root: (root / path).write_bytes((root / path).read_bytes()[:keep]) and None


def put(path: str, content: bytes = b"x") -> Callable[[Path], None]:
    return lambda root: (root / path).write_bytes(content) and None


def edit(path: str, change: Callable[[list[str]], list[str]]) -> Callable[[Path], None]:
    def edited(root: Path) -> None:
        lines = (root / path).read_text().splitlines()
        (root / path).write_text("".join(f"{line}\n" for line in change(lines)))

    return edited


def edit_json(path: str, change: Callable[[Any], Any]) -> Callable[[Path], None]:
    return lambda root: (
        (root / path).write_text(json.dumps(change(json.loads((root / path).read_text())))) and None
    )


def edit_mat(path: str, key: str, change: Callable[[Any], None]) -> Callable[[Path], None]:
    def edited(root: Path) -> None:
        content = {k: v for k, v in loadmat(root / path).items() if not k.startswith("__")}
        change(content[key])
        savemat(root / path, content)

    return edited


def at(place: Any, value: Any) -> Callable[[Any], None]:
    return lambda array: array.__setitem__(place, value)

"""Suites of one's own for tests: small images, folders, lists and the file that names them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

HEAD = 'name = "own"\nabout = "own: a test"\nbackbone = "tiny-clip"\n'


def write_image(path: Path, seed: int = 0) -> Path:
    """An image of noise; the same seed, the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, format="PNG")
    return path


def write_classes(folder: Path, counts: Mapping[str, int], seed: int = 0) -> Path:
    """Class folders with so many images each, all of them different."""
    for name, count in counts.items():
        for i in range(count):
            write_image(folder / name / f"{i}.png", seed)
            seed += 1
    return folder


def write_suite(folder: Path, *tasks: str, head: str = HEAD) -> Path:
    """A suite file; every task is the lines below its ``[[tasks]]``."""
    file = folder / "suite.toml"
    file.write_text(head + "".join(f"[[tasks]]\n{task}\n" for task in tasks))
    return file


def write_list(folder: Path, lines: Iterable[str], header: str = "path,class,split") -> Path:
    """An image list and an image for every path in its first column."""
    written = list(lines)
    for seed, line in enumerate(written):
        path = folder / line.partition(",")[0]
        if path.name and not path.exists():
            write_image(path, seed)
    file = folder / "list.csv"
    file.write_text("\n".join([header, *written]) + "\n")
    return file

"""The pictures and classes of small look-alikes of MTIL's data sets."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cl_bench.datasets.mtil.layout import names_in_files

ODD_NAME = "crème_brûlée d'été"
"""No class of the real sets; a folder may be called anything."""
CLASSES = {
    "Aircraft": ["707-320", "F-16A/B", "F/A-18"],
    "Caltech101": ["Faces", "crocodile_head", ODD_NAME],
    "DTD": ["banded", "polka-dotted", "woven"],
    "Food": ["apple_pie", "hot_dog", ODD_NAME],
    "OxfordPet": ["Abyssinian", "American Bulldog", "Sphynx"],
    "StanfordCars": ["AM General Hummer SUV 2000", "Dodge Ram Pickup 3500 Crew Cab 2010",
                     "Ram C/V Cargo Van Minivan 2012"],
    "SUN397": ["abbey", "apse/indoor", "wine_cellar/barrel_storage"],
}  # fmt: skip
"""The first classes of small look-alikes, where others than the first of the full set tell more."""
CATS = frozenset(
    [
        "Abyssinian",
        "Bengal",
        "Birman",
        "Bombay",
        "British Shorthair",
        "Egyptian Mau",
        "Maine Coon",
        "Persian",
        "Ragdoll",
        "Russian Blue",
        "Siamese",
        "Sphynx",
    ]
)
GREY, CMYK, TURNED, PALETTE, LARGE = "grey", "cmyk", "turned", "palette", "large"
Numbered = list[tuple[int, int]]


def classnames(dataset: str, classes: int | None) -> list[str]:
    """The classes of a look-alike, as its files call them, in label order."""
    real = list(names_in_files(dataset))
    if classes is None:
        return real
    chosen = [*CLASSES.get(dataset, []), *(n for n in real if n not in CLASSES.get(dataset, []))]
    chosen = chosen[:classes]
    return sorted(chosen) if ODD_NAME in chosen else sorted(chosen, key=real.index)


@dataclass
class Maker:
    """What a look-alike holds, and where its pictures come from."""

    names: list[str]
    train: int
    test: int
    rng: np.random.Generator

    def numbered(self) -> dict[str, Numbered]:
        """Per split, the class and running number (from 1) of every image, classes interleaved."""
        number = 0
        splits: dict[str, Numbered] = {}
        for split, count in (("train", self.train), ("val", 1), ("test", self.test)):
            splits[split] = []
            for c in range(len(self.names)) if split != "val" else (0, 1):
                for _ in range(count):
                    number += 1
                    splits[split].append((c, number))
            self.rng.shuffle(splits[split])
        return splits

    def pixels(self, c: int, side: int) -> NDArray[np.uint8]:
        """A picture [side, side, 3] of class ``c``: its colour and stripes, brightness and noise."""
        colour = np.random.default_rng(c).uniform(40, 215, 3)
        stripes = 30 * np.sin(np.arange(side) * (0.2 + 0.1 * (c % 7)))[:, None, None]
        noise = self.rng.normal(0, 8, (side, side, 3)) + self.rng.uniform(-15, 15)
        return np.clip(colour + stripes + noise, 0, 255).astype(np.uint8)

    def photo(self, path: Path, c: int, kind: str = "", side: int = 0) -> None:
        """Write a picture of class ``c``, as a JPEG of no square shape unless ``side`` is given."""
        path.parent.mkdir(parents=True, exist_ok=True)
        width = side or int(self.rng.integers(48, 91)) if kind != LARGE else 500
        image = Image.fromarray(self.pixels(c, width))
        if not side:
            image = image.crop((0, 0, width, width * 3 // 4))
        form = "JPEG"
        exif = Image.Exif()
        if kind == GREY:
            image = image.convert("L")
        elif kind == CMYK:
            image = image.convert("CMYK")
        elif kind == TURNED:
            exif[0x0112] = 6  # orientation: to be turned by 90 degrees for display
        elif kind == PALETTE:
            image, form = image.convert("P", palette=Image.Palette.ADAPTIVE), "PNG"
            image.info["transparency"] = bytes([0, 128])
        content = io.BytesIO()
        image.save(content, form, exif=exif)
        path.write_bytes(content.getvalue())

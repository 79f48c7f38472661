"""One writer for each of MTIL's eleven data sets: its layout and list formats, filled by a ``Maker``."""

from __future__ import annotations

import io
import json
import pickle
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from mtil_pictures import CATS, CMYK, GREY, LARGE, PALETTE, TURNED, Maker
from scipy.io import savemat

from cl_bench.datasets.mtil.layout import names_in_files


def _kinds(*first: str) -> Callable[[], str]:
    """The first pictures are special, the others plain."""
    kinds = iter(first)
    return lambda: next(kinds, "")


def _text(path: Path, lines: Sequence[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")


def _aircraft(root: Path, m: Maker) -> None:
    data, kind = root / "fgvc-aircraft-2013b" / "data", _kinds(LARGE)
    lists: dict[str, list[str]] = {}
    for split, images in m.numbered().items():
        lists[split] = [f"{1_000_000 + 7 * n} {m.names[c]}" for c, n in images]
        for line, (c, _) in zip(lists[split], images, strict=True):
            m.photo(data / "images" / f"{line.split()[0]}.jpg", c, kind())
    _text(data / "variants.txt", m.names)
    for split, lines in (lists | {"trainval": lists["train"] + lists["val"]}).items():
        _text(data / f"images_variant_{split}.txt", lines)


def _caltech(root: Path, m: Maker) -> None:
    folder, kind = root / "caltech101" / "101_ObjectCategories", _kinds(GREY)
    for c, name in enumerate(m.names):
        for n in range(1, m.train + m.test + 1):
            m.photo(folder / name / f"image_{n:04d}.jpg", c, kind())
    m.photo(folder / "BACKGROUND_Google" / "image_0001.jpg", 0)
    (folder / "BACKGROUND_Google" / "tmp").touch()  # as in the real archive


def _cifar(root: Path, m: Maker) -> None:
    folder = root / "cifar-100-python"
    folder.mkdir(parents=True)
    for split, images in m.numbered().items():
        if split == "val":
            continue
        pixels = np.stack([m.pixels(c, 32).transpose(2, 0, 1).reshape(-1) for c, _ in images])
        content = {
            "filenames": [f"{m.names[c]}_s_{n:06d}.png" for c, n in images],
            "batch_label": "training batch 1 of 1" if split == "train" else "testing batch 1 of 1",
            "fine_labels": [c for c, _ in images],
            "coarse_labels": [0 for _ in images],
            "data": pixels,
        }
        (folder / split).write_bytes(python2_pickle(content))
    meta = {"fine_label_names": m.names, "coarse_label_names": ["things"]}
    (folder / "meta").write_bytes(python2_pickle(meta))


class _Python2Pickler(pickle._Pickler):  # type: ignore[name-defined, misc]
    """Text as Python 2 wrote it, which the published files still are."""

    dispatch: ClassVar[dict[Any, Any]] = dict(pickle._Pickler.dispatch)  # type: ignore[attr-defined]

    def _save_string(self, text: str | bytes) -> None:
        raw = text.encode() if isinstance(text, str) else text
        self.write(pickle.BINSTRING + struct.pack("<i", len(raw)) + raw)
        self.memoize(text)

    dispatch[str] = dispatch[bytes] = _save_string


def python2_pickle(content: Any) -> bytes:
    """A pickle of lists, text and arrays as Python 2 and the NumPy of its days wrote it."""
    file = io.BytesIO()
    _Python2Pickler(file, protocol=2).dump(content)
    return file.getvalue().replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")


def _dtd(root: Path, m: Maker) -> None:
    folder, kind = root / "dtd" / "dtd", _kinds(LARGE)
    for split, images in m.numbered().items():
        lines = [f"{m.names[c]}/{m.names[c]}_{n:04d}.jpg" for c, n in images]
        for line, (c, _) in zip(lines, images, strict=True):
            m.photo(folder / "images" / line, c, kind())
        _text(folder / "labels" / f"{split}1.txt", lines)


def _eurosat(root: Path, m: Maker) -> None:
    for c, name in enumerate(m.names):
        for n in range(1, m.train + m.test + 1):
            m.photo(root / "eurosat" / "2750" / name / f"{name}_{n}.jpg", c, side=64)


def _flowers(root: Path, m: Maker) -> None:
    folder, splits = root / "flowers-102", m.numbered()
    label_of = {n: c + 1 for images in splits.values() for c, n in images}
    for n, label in label_of.items():
        m.photo(folder / "jpg" / f"image_{n:05d}.jpg", label - 1)
    labels = np.array([[label_of[n] for n in sorted(label_of)]], dtype=np.uint8)
    savemat(folder / "imagelabels.mat", {"labels": labels})
    ids = {
        key: np.array([[n for _, n in splits[split]]], dtype=np.uint16)
        for split, key in (("train", "trnid"), ("val", "valid"), ("test", "tstid"))
    }
    savemat(folder / "setid.mat", ids)


def _food(root: Path, m: Maker) -> None:
    folder, kind = root / "food-101", _kinds(TURNED, LARGE)
    for split, images in m.numbered().items():
        if split == "val":
            continue
        lists: dict[str, list[str]] = {name: [] for name in m.names}
        for c, n in sorted(images):
            lists[m.names[c]].append(f"{m.names[c]}/{1_000_000 + 31 * n}")
            m.photo(folder / "images" / f"{lists[m.names[c]][-1]}.jpg", c, kind())
        _text(
            folder / "meta" / f"{split}.txt", [image for part in lists.values() for image in part]
        )
        (folder / "meta" / f"{split}.json").write_text(json.dumps(lists))
    _text(folder / "meta" / "classes.txt", m.names)
    _text(folder / "meta" / "labels.txt", [n.replace("_", " ").capitalize() for n in m.names])


def _mnist(root: Path, m: Maker) -> None:
    raw, splits = root / "MNIST" / "raw", m.numbered()
    raw.mkdir(parents=True)
    for split, stem in (("train", "train"), ("test", "t10k")):
        images = splits[split]
        pixels = np.stack([m.pixels(c, 28)[..., 0] for c, _ in images])
        labels = np.array([c for c, _ in images], dtype=np.uint8)
        for kind, array in (("images-idx3", pixels), ("labels-idx1", labels)):
            # Magic number: unsigned bytes (8), then how many dimensions; sizes in big-endian.
            head = struct.pack(f">{1 + array.ndim}I", 0x0800 + array.ndim, *array.shape)
            (raw / f"{stem}-{kind}-ubyte").write_bytes(head + array.tobytes())


def _pets(root: Path, m: Maker) -> None:
    folder, splits, kind = root / "oxford-iiit-pet", m.numbered(), _kinds(PALETTE)
    ids = {name: i for i, name in enumerate(names_in_files("OxfordPet"), 1)}
    for file, images in (("trainval", splits["train"]), ("test", splits["test"])):
        lines = []
        for c, n in images:
            breed = m.names[c].replace(" ", "_")
            cat = m.names[c] in CATS
            stem = f"{breed if cat else breed.lower()}_{n}"
            m.photo(folder / "images" / f"{stem}.jpg", c, kind())
            lines.append(f"{stem} {ids[m.names[c]]} {1 if cat else 2} {c + 1}")
        _text(folder / "annotations" / f"{file}.txt", lines)


def _cars(root: Path, m: Maker) -> None:
    folder, splits = root / "stanford_cars", m.numbered()
    (folder / "devkit").mkdir(parents=True)
    for split, file in (
        ("train", folder / "devkit" / "cars_train_annos.mat"),
        ("test", folder / "cars_test_annos_withlabels.mat"),
    ):
        fields = ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", "class", "fname")
        notes = np.empty((1, len(splits[split])), dtype=[(field, object) for field in fields])
        for i, (c, _) in enumerate(splits[split]):
            notes[0, i] = (1, 1, 40, 30, c + 1, f"{i + 1:05d}.jpg")
            m.photo(folder / f"cars_{split}" / f"{i + 1:05d}.jpg", c)
        savemat(file, {"annotations": notes})
    names = np.empty((1, len(m.names)), dtype=object)
    names[0, :] = m.names
    savemat(folder / "devkit" / "cars_meta.mat", {"class_names": names})


def _sun397(root: Path, m: Maker) -> None:
    folder, kind = root / "SUN397", _kinds(CMYK)
    for c, name in enumerate(m.names):
        for _ in range(m.train + m.test):
            stem = "".join(m.rng.choice(list("abcdefghijklmnopqrstuvwxyz"), 16))
            m.photo(folder / name[0] / name / f"sun_{stem}.jpg", c, kind())
    _text(folder / "ClassName.txt", [f"/{name[0]}/{name}" for name in m.names])


WRITERS: dict[str, Callable[[Path, Maker], None]] = {
    "Aircraft": _aircraft,
    "Caltech101": _caltech,
    "CIFAR100": _cifar,
    "DTD": _dtd,
    "EuroSAT": _eurosat,
    "Flowers": _flowers,
    "Food": _food,
    "MNIST": _mnist,
    "OxfordPet": _pets,
    "StanfordCars": _cars,
    "SUN397": _sun397,
}

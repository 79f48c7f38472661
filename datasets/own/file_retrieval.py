"""``[[retrieval]]`` of a suite file: captioned pictures that are searched and never learned. No torch."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from cl_bench.benchmark.config import Settings
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.user_file import first_problem
from cl_bench.datasets.checks.same_images import Place, Placed
from cl_bench.datasets.images.content import digests_of
from cl_bench.datasets.own.captions_layout import read_layout
from cl_bench.datasets.own.captions_list import OfPictures, read_captions_list
from cl_bench.datasets.progress import ProgressCallback, silent
from cl_bench.datasets.retrieval_set import PictureFiles, RetrievalSpec


class FileRetrieval(Settings):
    """One set: where its pictures are, and what is said of them."""

    name: str
    pictures: Path
    """The folder of the pictures."""
    captions: Path
    """The file of captions: a table with the columns image and caption, or a layout's."""
    layout: str | None = None
    """``flickr30k`` or ``coco``, where the file has it."""
    split: str | None = None
    """Which part of Karpathy's file; by default ``test``."""


@dataclass(frozen=True)
class ReadRetrieval:
    """A retrieval set and its image files.

    Attributes:
        spec: the set.
        images: its files.
        digests: of their bytes, in the same order.
        remarks: what a reader of results must know.
    """

    spec: RetrievalSpec
    images: tuple[Placed, ...]
    digests: tuple[str, ...]
    remarks: tuple[str, ...]


def read_retrieval(
    said: FileRetrieval, root: Path, on_progress: ProgressCallback = silent
) -> ReadRetrieval:
    """Find a set's pictures and captions.

    Args:
        said: as the suite file has it.
        root: what its paths are relative to.
        on_progress: hears of the files that are read.

    Raises:
        UserError: something is missing or wrong; names it.
    """
    try:
        return _read(said, root, on_progress)
    except ValidationError as error:
        raise UserError(f"retrieval set {said.name}: {first_problem(error)}") from error
    except UserError as error:
        raise UserError(f"retrieval set {said.name}: {error}") from error


def _read(said: FileRetrieval, root: Path, on_progress: ProgressCallback) -> ReadRetrieval:
    folder = root / said.pictures
    if not folder.is_dir():
        raise UserError(f"the folder of pictures {folder} does not exist")
    found, remarks = _captions(said, root / said.captions, folder)
    images = tuple(Placed(folder / path, Place(said.name, "test", ""), path) for path in found)
    digests = digests_of([image.file for image in images], on_progress)
    lines = [f"{path} {digest}" for path, digest in zip(found, digests, strict=True)]
    spec = RetrievalSpec(
        name=said.name,
        captions=tuple((i, text) for i, texts in enumerate(found.values()) for text in texts),
        pictures=len(found),
        source=PictureFiles(
            root=folder,
            files=tuple(found),
            fingerprint=hashlib.sha256("\n".join(lines).encode()).hexdigest(),
        ),
    )
    remarks = (*remarks, *_repeated(spec), *_same(images, digests))
    return ReadRetrieval(
        spec, images, tuple(digests), tuple(f"retrieval set {said.name}: {r}" for r in remarks)
    )


def _captions(
    said: FileRetrieval, captions: Path, folder: Path
) -> tuple[OfPictures, tuple[str, ...]]:
    if said.layout is not None:
        return read_layout(said.layout, captions, folder, said.split)
    if said.split is not None:
        raise UserError("`split` has no meaning without `layout`; remove it")
    return read_captions_list(captions, folder), ()


def _repeated(spec: RetrievalSpec) -> Iterator[str]:
    """Say that captions are the same text; case and spaces do not count."""
    counts = Counter(" ".join(text.lower().split()) for _, text in spec.captions)
    if again := [text for text, count in counts.items() if count > 1]:
        yield (
            f"{len(again)} texts stand more than once, for example {again[0]!r}: which picture is meant cannot be "
            "told, and that counts as not found"
        )


def _same(images: tuple[Placed, ...], digests: tuple[str, ...]) -> tuple[str, ...]:
    """Say that pictures are the same file."""
    copies = len(digests) - len(set(digests))
    if not copies:
        return ()
    first: dict[str, str] = {}
    pairs = [(first.setdefault(d, i.shown), i.shown) for i, d in zip(images, digests, strict=True)]
    a, b = next(pair for pair in pairs if pair[0] != pair[1])
    return (f"{copies} pictures have the bytes of another one, for example {a} and {b}",)

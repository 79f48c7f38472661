"""Captions in published layouts: Karpathy's splits of Flickr30k and COCO, and COCO's own annotations. No torch."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from cl_bench.benchmark.errors import UserError, unknown
from cl_bench.benchmark.text_file import read_text
from cl_bench.benchmark.user_file import first_problem
from cl_bench.datasets.own.captions_list import CALLED, OfPictures, usable

FLICKR30K, COCO = "flickr30k", "coco"
LAYOUTS = (FLICKR30K, COCO)
CAPTIONS = 5  # of a picture; a few of COCO's have more, of which the first five count
USUAL_SPLIT = "test"

_Raw = list[tuple[str, list[str]]]  # a picture's path below the folder, and what is said of it


class _Json(BaseModel):
    model_config = ConfigDict(strict=True)


class _Sentence(_Json):
    raw: str


class _SplitImage(_Json):
    filename: str
    filepath: str = ""
    split: str
    sentences: list[_Sentence]


class _Splits(_Json):
    """Karpathy's ``dataset_flickr30k.json`` and ``dataset_coco.json``."""

    dataset: str
    images: list[_SplitImage]


class _Image(_Json):
    id: int
    file_name: str


class _Annotation(_Json):
    image_id: int
    caption: str


class _Annotations(_Json):
    """COCO's ``captions_val2017.json``."""

    images: list[_Image]
    annotations: list[_Annotation]


def read_layout(
    layout: str, path: Path, folder: Path, split: str | None
) -> tuple[OfPictures, tuple[str, ...]]:
    """The captions of a split, in the order of the file, and what is to be known of them.

    Args:
        layout: ``flickr30k`` or ``coco``.
        path: the file of captions.
        folder: of the pictures; pictures of other splits may lie there, too.
        split: of Karpathy's file; ``None``: test. COCO's own files have one split each.

    Raises:
        UserError: the file is of another layout or split, a picture is missing or has no caption.
    """
    if layout not in LAYOUTS:
        raise unknown("layout of captions", layout, LAYOUTS)
    listed = _listed(layout, path, split)
    found: OfPictures = {}
    for name, captions in listed:
        place = f"the {CALLED} {path}: {name}"
        if not captions:
            raise UserError(f"{place} has no caption")
        if name in found:
            raise UserError(f"{place} stands there twice")
        found[name] = [usable(text, place) for text in captions[:CAPTIONS]]
    _must_be_there(found, path, folder)
    more = sum(len(captions[CAPTIONS:]) for _, captions in listed)
    words = f"{more} captions behind the first {CAPTIONS} of a picture are not used"
    return found, ((words,) if more else ())


def _listed(layout: str, path: Path, split: str | None) -> _Raw:
    text = read_text(path, CALLED)
    own = layout == COCO and '"annotations"' in text
    form = _Annotations if own else _Splits
    try:
        said = form.model_validate_json(text)
    except ValidationError as error:
        raise UserError(
            f"the {CALLED} {path} is not in the layout {layout}: {first_problem(error)}"
        ) from error
    if isinstance(said, _Annotations):
        if split is not None:
            raise UserError(
                f"the {CALLED} {path} is COCO's own and has no splits: leave out `split`"
            )
        return _of_annotations(said, path)
    if said.dataset != layout:
        raise UserError(f"the {CALLED} {path} is of {said.dataset!r}, not of {layout}")
    return list(_of_split(said, path, split or USUAL_SPLIT))


def _of_split(said: _Splits, path: Path, split: str) -> Iterator[tuple[str, list[str]]]:
    counts = Counter(image.split for image in said.images)
    if split not in counts:
        raise UserError(
            f"the {CALLED} {path} has no split {split!r}; it has {', '.join(sorted(counts)) or 'none'}"
        )
    for image in said.images:
        if image.split == split:
            name = os.path.join(image.filepath, image.filename)
            yield name, [sentence.raw for sentence in image.sentences]


def _of_annotations(said: _Annotations, path: Path) -> _Raw:
    captions = defaultdict(list)
    for annotation in said.annotations:
        captions[annotation.image_id].append(annotation.caption)
    if odd := captions.keys() - {image.id for image in said.images}:
        raise UserError(
            f"the {CALLED} {path} has a caption of the picture {min(odd)}, which is not among its images"
        )
    return [(image.file_name, captions[image.id]) for image in said.images]


def _must_be_there(found: OfPictures, path: Path, folder: Path) -> None:
    """Raise where a picture is not in the folder."""
    missing = [name for name in found if not os.path.isfile(folder / name)]
    if missing:
        others = f" and {len(missing) - 1:,} others" if len(missing) > 1 else ""
        raise UserError(
            f"the {CALLED} {path} names {missing[0]}{others}, not to be found in {folder}"
        )

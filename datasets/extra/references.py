"""Where a method's extra data comes from: the user's files, or what the package ships."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.extra.captions_file import read_captions
from cl_bench.datasets.extra.pairs import find_class_pictures, find_pairs
from cl_bench.datasets.extra.source import Source, TaskNames, missing
from cl_bench.datasets.images.content import digests_of
from cl_bench.datasets.images.listing import Listing
from cl_bench.datasets.images.visible import files_below, has_image_name
from cl_bench.datasets.mini.suite import TINY

if TYPE_CHECKING:
    from torch import Tensor

    from cl_bench.benchmark.assets import Assets
    from cl_bench.benchmark.images import Images
    from cl_bench.benchmark.method_config import Need
    from cl_bench.benchmark.task import TaskStream
    from cl_bench.datasets.images.store import Store

MOST_IMAGES = 64_064  # what ZSCL consumes: 1,001 steps of 64, the same ones for every task
SELECTOR_SOURCE = "torchvision's AlexNet weights, alexnet-owt-7be5be79.pth"


class NamedFiles(Protocol):
    """The files that the user named."""

    @property
    def reference_images(self) -> Path | None:
        """Folder of images that belong to no task."""

    @property
    def reference_texts(self) -> Path | None:
        """File of captions."""

    @property
    def reference_pairs(self) -> Path | None:
        """Folder of image-text pairs."""

    @property
    def selector_weights(self) -> Path | None:
        """File with AlexNet's weights."""


def find_sources(
    needs: Sequence[Need],
    files: NamedFiles,
    suite: str,
    backbone: str,
    at_least: int,
    tasks: TaskNames = TaskNames(),  # noqa: B008 (frozen)
) -> dict[Need, Source]:
    """Find what the method needs.

    Args:
        needs: of the method as configured.
        files: named by the user.
        suite: its name; ``mini`` brings its own images, texts and pairs.
        backbone: its name; the tiny CLIP brings its own selector.
        at_least: how many images, texts or pairs a step uses at once.
        tasks: of the suite; pairs may be those of one task.

    Raises:
        UserError: something is missing, unreadable or too little; names the option to set.
    """
    finders: dict[Need, Callable[[], Source]] = {
        "reference images": lambda: _images(files.reference_images, suite, at_least),
        "reference texts": lambda: _texts(files.reference_texts, suite, at_least),
        "selector": lambda: _selector(files.selector_weights, backbone),
        "image-text pairs": lambda: find_pairs(files.reference_pairs, suite, tasks, at_least),
        "reference images with classes": lambda: find_class_pictures(
            files.reference_images, suite, tasks, at_least
        ),
    }
    return {need: finders[need]() for need in needs if need in finders}


def load_assets(
    sources: dict[Need, Source],
    needs: Sequence[Need],
    stream: TaskStream,
    size: int,
    device: str,
    store: Store,
) -> Assets:
    """Load what was found, at the backbone's image size."""
    from cl_bench.benchmark.assets import Assets

    loaded = {need: source.load(size, device, store) for need, source in sources.items()}
    pairs = loaded.get("image-text pairs") or loaded.get("reference images with classes")
    return Assets(
        images=loaded.get("reference images"),  # type: ignore[arg-type]
        texts=loaded.get("reference texts", ()),  # type: ignore[arg-type]
        selector=loaded.get("selector"),  # type: ignore[arg-type]
        stream=stream if "all tasks" in needs else None,
        pairs=pairs,  # type: ignore[arg-type]
    )


def _images(folder: Path | None, suite: str, at_least: int) -> Source:
    if folder is None:
        if suite == "mini":
            return Source(
                "mini: pictures drawn with a seed of their own", _mini_images, _mini_image_count
            )
        raise missing("reference images", "--reference-images", "FOLDER (e.g. ImageNet's train)")
    if not folder.is_dir():
        raise UserError(f"--reference-images {folder} is not a folder")
    files = sorted(file for file in files_below(folder) if has_image_name(file))
    if len(files) < at_least:
        raise UserError(
            f"--reference-images {folder} holds {len(files)} images; a step uses {at_least} at once"
        )
    random.Random(42).shuffle(files)  # the published code's seed; more than enough are left out
    chosen = tuple(files[:MOST_IMAGES])
    contents = zip(chosen, digests_of(chosen), strict=True)
    listing = "\n".join(f"{f.relative_to(folder).as_posix()} {digest}" for f, digest in contents)
    pin = hashlib.sha256(listing.encode()).hexdigest()[:12]
    about = f"{len(chosen):,} images of {len(files):,} in a folder, listing {pin}"
    return Source(about, partial(_images_of_files, chosen), partial(len, chosen))


def _images_of_files(files: tuple[Path, ...], size: int, device: str, store: Store) -> Images:
    return store.images("reference images", _unlabelled(files), size)


def _texts(file: Path | None, suite: str, at_least: int) -> Source:
    if file is None:
        if suite == "mini":
            return Source("mini: captions of its pretraining world", _mini_texts, _mini_text_count)
        raise missing(
            "reference texts",
            "--reference-texts",
            "FILE (captions in .txt, .tsv, .csv, .json or .jsonl)",
        )
    captions, skipped = read_captions(file)
    if len(captions) < at_least:
        raise UserError(
            f"--reference-texts {file} holds {len(captions)} captions; at least {at_least} are needed"
        )
    pin = hashlib.sha256("\n".join(captions).encode()).hexdigest()[:12]
    left_out = f", {skipped} malformed entries left out" if skipped else ""
    return Source(
        f"{len(captions):,} captions of a file{left_out}, {pin}",
        partial(_as_read, captions),
        partial(len, captions),
    )


def _as_read(captions: tuple[str, ...], size: int, device: str, store: Store) -> tuple[str, ...]:
    return captions


def _selector(weights: Path | None, backbone: str) -> Source:
    if weights is None:
        if backbone == TINY:
            return Source("tiny-clip: frozen tokens after two blocks", _tiny_selector)
        raise missing(
            "an image encoder for its auto-selector",
            "--selector-weights",
            f"FILE ({SELECTOR_SOURCE})",
        )
    if not weights.is_file():
        raise UserError(f"--selector-weights {weights} does not exist")
    with weights.open("rb") as opened:
        pin = hashlib.file_digest(opened, "sha256").hexdigest()[:12]
    return Source(f"AlexNet conv5, weights {pin}", partial(_alexnet, weights))


def _alexnet(weights: Path, size: int, device: str, store: Store) -> Callable[[Tensor], Tensor]:
    from cl_bench.datasets.extra.selectors import alexnet

    return alexnet(weights, device)


def _unlabelled(images: tuple[Path, ...] | NDArray[np.uint8]) -> Listing:
    return Listing(images, np.zeros(len(images), dtype=np.int64), ("",))


def _mini_images(size: int, device: str, store: Store) -> Images:
    from cl_bench.datasets.mini.references import reference_images

    pixels = reference_images().transpose(0, 2, 3, 1)
    return store.images("reference images", _unlabelled(pixels), size)


def _mini_texts(size: int, device: str, store: Store) -> tuple[str, ...]:
    from cl_bench.datasets.mini.references import reference_texts

    return reference_texts()


def _mini_image_count() -> int:
    from cl_bench.datasets.mini.references import reference_image_count

    return reference_image_count()


def _mini_text_count() -> int:
    from cl_bench.datasets.mini.references import reference_texts

    return len(reference_texts())


def _tiny_selector(size: int, device: str, store: Store) -> Callable[[Tensor], Tensor]:
    from cl_bench.datasets.extra.selectors import tiny_tokens

    return tiny_tokens(device)

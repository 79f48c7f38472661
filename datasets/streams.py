"""From task specifications to tensors: the stream that a run learns."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.task import Images, LabelSpace, Task, TaskStream
from cl_bench.datasets.mini.domains import draw
from cl_bench.datasets.suite import FolderSource, MiniSource, TaskSpec

WORKERS_FROM = 2_000  # images; below it, starting processes costs more than decoding


def build_stream(name: str, specs: Sequence[TaskSpec], image_size: int) -> TaskStream:
    """Load the tasks' images at the backbone's size.

    Args:
        name: of the stream.
        specs: the tasks in the order in which they are learned.
        image_size: side of the backbone's input in pixels.

    Raises:
        UserError: an image cannot be read, or a task's reader is not part of this version.
    """
    return TaskStream(name, tuple(_load(spec, image_size) for spec in specs))


def _load(spec: TaskSpec, size: int) -> Task:
    labels = LabelSpace.from_templates(spec.classnames, spec.templates)
    match spec.source:
        case MiniSource(domain=domain):
            train, test = _mini(domain, "train", size), _mini(domain, "test", size)
        case FolderSource(root=root):
            train = decode_files(root, spec.source.train, size)
            test = decode_files(root, spec.source.test, size)
        case _:
            raise UserError(f"this version has no reader for the images of {spec.name}")
    return Task(spec.name, labels, train, test)


def _mini(domain: str, split: str, size: int) -> Images:
    pixels, targets = (torch.from_numpy(a) for a in draw(domain, split))  # type: ignore[arg-type]
    return Images(at_size(pixels, size), targets.long())


def at_size(pixels: Tensor, size: int) -> Tensor:
    """Drawn pictures uint8 [N, 3, 32, 32] at another size."""
    if pixels.shape[-1] == size:
        return pixels
    resized: Tensor = v2.functional.resize(pixels, [size, size], antialias=True)
    return resized


def decode_files(root: Path, listing: Sequence[tuple[str, int]], size: int) -> Images:
    """Decode every file once, with worker processes where there are many.

    Args:
        root: what the paths are relative to.
        listing: path and class index of every image.
        size: side of the result in pixels.

    Raises:
        UserError: a file is not a readable image; names it.
    """
    files = ImageFiles([root / path for path, _ in listing], size)
    workers = min(os.cpu_count() or 1, 8) if len(files) >= WORKERS_FROM else 0
    loader = DataLoader(
        files,
        batch_size=64,
        num_workers=workers,
        multiprocessing_context="spawn" if workers else None,
    )
    pixels = torch.empty(len(files), 3, size, size, dtype=torch.uint8)
    for i, part in enumerate(loader):
        pixels[i * 64 : i * 64 + len(part)] = part
    return Images(pixels, torch.tensor([c for _, c in listing]))


class ImageFiles(Dataset[Tensor]):
    """Image files as the CLIP family pre-processes them, up to normalisation: uint8 [3, S, S].

    Short side to S (bicubic, antialiased by PIL), centre crop, RGB: the test-time transform of
    OpenAI's CLIP, which KeepLoRA uses for training too.
    """

    def __init__(self, paths: Sequence[Path], size: int) -> None:
        """List the files; each is opened when it is asked for."""
        self.paths = list(paths)
        self.size = size

    def __len__(self) -> int:
        """The number of files."""
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor:
        """Decode one file.

        Raises:
            UserError: it is not a readable image; names it.
        """
        path = self.paths[index]
        try:
            with Image.open(path) as image:
                pixels: Tensor = _transform(self.size)(image)
                return pixels
        except (OSError, UnidentifiedImageError, SyntaxError, ValueError) as error:
            raise UserError(f"the image {path} cannot be read: {error}") from error


@functools.cache
def _transform(size: int) -> v2.Compose:
    return v2.Compose(
        [
            v2.Resize(size, interpolation=v2.InterpolationMode.BICUBIC),
            v2.CenterCrop(size),
            v2.Lambda(_to_rgb),
            v2.PILToTensor(),
        ]
    )


def _to_rgb(image: Image.Image) -> Image.Image:
    return image.convert("RGB")

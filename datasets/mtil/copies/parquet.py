"""Copies in Parquet files, as Hugging Face lays them out: images with their bytes, labels, class names."""

from __future__ import annotations

import json
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from cl_bench.benchmark.errors import UserError, in_one_line, missing_extra
from cl_bench.datasets.images.visible import files_below
from cl_bench.datasets.mtil.copies.class_names import known_classes, plain
from cl_bench.datasets.mtil.copies.features import class_names_beside, class_names_in
from cl_bench.datasets.mtil.copies.held import HeldCopy, HeldImage, part_of

if TYPE_CHECKING:
    import pyarrow.parquet as pq

LABELS = ("label", "labels", "fine_label", "class", "cls")
SUITE = """# a suite reads image files: write those of the Parquet files into class folders first
[[tasks]]
name = {name}
train = "images/train"
test = "images/test\""""


@dataclass(frozen=True)
class ParquetFile:
    """One file that holds images.

    Attributes:
        path: the file.
        top: the folder of the whole copy.
        image: the column of images.
        label: the column of labels.
        names: of the classes in the order of the labels; empty where labels are names.
    """

    path: Path
    top: Path
    image: str
    label: str
    names: tuple[str, ...]


def parquet_files(folder: Path) -> Iterator[ParquetFile | UserError]:
    """Every Parquet file below ``folder``, or what is wrong with it."""
    for path in files_below(folder):
        if path.suffix.lower() == ".parquet":
            try:
                yield _look_at(path, _top(path, folder))
            except UserError as error:
                yield error


def classes_of(files: Sequence[ParquetFile]) -> set[str]:
    """The names of the classes in files of one copy.

    Raises:
        UserError: a file is damaged.
    """
    return {image.label or "" for image in _listed(files, {})}


def parquet_copy(dataset: str, files: Sequence[ParquetFile]) -> HeldCopy:
    """The copy of ``dataset`` in some files.

    Raises:
        UserError: a file is damaged or has a label without a name.
    """
    top = files[0].top

    def write(targets: Sequence[Path]) -> None:
        remaining = iter(targets)
        for file in files:
            for place, content in _contents(file):
                target = next(remaining)
                if not content:
                    raise UserError(f"{place} holds no image; fetch the file again")
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)

    size = sum(file.path.stat().st_size for file in files)
    suite = SUITE.format(name=json.dumps(top.name))
    images = tuple(_listed(files, known_classes(dataset)))
    return HeldCopy(top, images, size, write, suite)


def _look_at(path: Path, top: Path) -> ParquetFile:
    schema = _open(path).schema_arrow
    names = schema.names
    image = next((n for n in names if _holds_bytes(schema.field(n).type)), None)
    label = next((n for n in LABELS if n in names), None)
    if image is None or label is None:
        raise UserError(
            f"{path} is not used: it has the columns {', '.join(names)}, but an image copy has "
            "`image` (with bytes and path) and `label`"
        )
    import pyarrow.types as types

    if not types.is_integer(schema.field(label).type):
        return ParquetFile(path, top, image, label, ())
    found = class_names_in(schema.metadata or {}, label) or class_names_beside(top, label)
    if not found:
        raise UserError(
            f"{path} is not used: its labels are numbers, and neither it nor README.md, "
            f"dataset_info.json or names.txt in {top} names the classes"
        )
    return ParquetFile(path, top, image, label, found)


def _top(path: Path, given: Path) -> Path:
    """The folder of the whole copy that a file belongs to; no higher than the one given."""
    folder = path.parent
    while folder != given and (folder.name in ("data", "default") or part_of(folder.name)):
        folder = folder.parent
    return folder


def _holds_bytes(kind: Any) -> bool:
    import pyarrow.types as types

    return types.is_struct(kind) and {"bytes", "path"} <= {
        kind.field(i).name for i in range(kind.num_fields)
    }


def _open(path: Path) -> pq.ParquetFile:
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise missing_extra(f"{path}, a Parquet file,", "parquet") from error
    try:
        return pyarrow.parquet.ParquetFile(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> UserError:
    return UserError(f"{path} is not used: it cannot be read: {in_one_line(error)}")


def _batches(file: ParquetFile, columns: list[str], size: int) -> Iterator[Any]:
    import pyarrow

    try:
        yield from _open(file.path).iter_batches(size, columns=columns)
    except (OSError, pyarrow.ArrowException) as error:
        raise _damaged(file.path, error) from error


def _listed(files: Sequence[ParquetFile], known: Container[str]) -> Iterator[HeldImage]:
    for file in files:
        part, row = part_of(file.path.name) or part_of(file.path.parent.name), 0
        for batch in _batches(file, [f"{file.image}.path", file.label], 4096):
            labels = batch.column(file.label).to_pylist()
            for image, label in zip(batch.column(file.image).to_pylist(), labels, strict=True):
                row += 1
                place = f"{file.path}, row {row},"
                path = PurePosixPath((image or {}).get("path") or "")
                folder = _class_folder(path.parts[:-1], known)
                yield HeldImage(path.name, folder, _label(file, label, place), part, place)


def _class_folder(folders: Sequence[str], known: Container[str]) -> str | None:
    """The class in a path such as ``train/abbey/sun_a.jpg`` or ``a/apse/indoor/sun_b.jpg``."""
    ends = ("/".join(folders[-depth:]) for depth in (2, 1))
    return next((end for end in ends if plain(end) in known), None)


def _label(file: ParquetFile, label: object, place: str) -> str:
    if not file.names:
        return str(label)
    if not isinstance(label, int) or not 0 <= label < len(file.names):
        raise UserError(
            f"{place} has the label {label}, but the {len(file.names)} classes are numbered from 0"
        )
    return file.names[label]


def _contents(file: ParquetFile) -> Iterator[tuple[str, bytes | None]]:
    row = 0
    for batch in _batches(file, [f"{file.image}.bytes"], 64):
        for image in batch.column(file.image).to_pylist():
            row += 1
            yield f"{file.path}, row {row},", (image or {}).get("bytes")

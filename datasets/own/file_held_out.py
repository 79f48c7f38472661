"""``[[held_out]]`` of a suite file: test images that are evaluated beside the tasks and never learned. No torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from cl_bench.benchmark.config import Settings
from cl_bench.benchmark.truth_values import numbers_are_numbers
from cl_bench.datasets.own.folders import Files, list_test_folder
from cl_bench.datasets.own.image_lists import read_test_list
from cl_bench.datasets.own.imagenet import LAYOUT, prompts, read_imagenet
from cl_bench.datasets.own.read_task import ReadTask, layout_task, named, of_files
from cl_bench.datasets.progress import ProgressCallback, silent

# What it may say besides its name and its prompts, per way to name its images.
OPTIONS = {"test": {"exclude", "classnames"}, "list": {"classnames"}, "layout": {"below"}}


class FileHeldOut(Settings):
    """One data set: where its test images are, in one of several ways."""

    _truth = numbers_are_numbers

    name: str
    test: Path | None = None
    """Folder of class folders with the images."""
    list: Path | None = None
    """Instead: a CSV or Parquet file with the columns path and class; of one with a column split, the rows
    of test."""
    layout: str | None = None
    """Instead: ``imagenet``, or one of the eleven MTIL data sets, in its published layout."""
    below: Path = Path()
    """The folder that holds the layout; of ImageNet, the folder of synset folders."""
    exclude: tuple[str, ...] = ()
    """Class folders to leave out."""
    templates: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """Prompts. By default "a photo of a {}.", or a layout's own."""
    classnames: dict[str, str] = Field(default_factory=dict)
    """What to call a class folder in prompts, where not by its own name."""

    @model_validator(mode="after")
    def _one_way(self) -> FileHeldOut:
        given = [way for way in OPTIONS if getattr(self, way) is not None]
        if len(given) != 1:
            raise ValueError("give one of `test`, `list` and `layout`")
        others = self.model_fields_set - {*given, "name", "templates"} - OPTIONS[given[0]]
        if others:
            raise ValueError(f"`{min(others)}` has no meaning beside `{given[0]}`; remove it")
        return self


def read_held_out(
    held_out: FileHeldOut, root: Path, backbone: str, on_progress: ProgressCallback = silent
) -> ReadTask:
    """Find a data set's classes and test images; arguments as of ``read_tasks``.

    Raises:
        UserError: something is missing or wrong; names it.
    """

    def read() -> ReadTask:
        if held_out.layout == LAYOUT:
            files, names = read_imagenet(root / held_out.below)
            prompted = held_out.templates or prompts()
            whole = held_out.model_copy(update={"classnames": names, "templates": prompted})
            return of_files(whole, files, root, on_progress)
        if held_out.layout is not None:
            place = held_out.layout, held_out.below, held_out.templates
            return layout_task(held_out.name, *place, root)
        return of_files(held_out, _files(held_out, root), root, on_progress)

    return named(f"held-out set {held_out.name}", read, backbone)


def _files(held_out: FileHeldOut, root: Path) -> Files:
    if held_out.list is not None:
        return read_test_list(root / held_out.list)
    assert held_out.test is not None
    return list_test_folder(root / held_out.test, held_out.exclude)

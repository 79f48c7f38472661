"""Which pictures a report holds, and writing them, on all cores where they are many."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from matplotlib.figure import Figure

from cl_bench.benchmark.record import RunResult
from cl_bench.reports.plots.along import draw_along
from cl_bench.reports.plots.difference import draw_difference, rivals
from cl_bench.reports.plots.dots import draw_dots
from cl_bench.reports.plots.forgetting import draw_forgetting
from cl_bench.reports.plots.heat_map import draw_heat_map
from cl_bench.reports.plots.held_out import draw_held_out
from cl_bench.reports.plots.imbalance import draw_imbalance
from cl_bench.reports.plots.incremental import draw_incremental
from cl_bench.reports.plots.look import SCREEN, Look
from cl_bench.reports.plots.pareto import draw_pareto
from cl_bench.reports.plots.radar import draw_radar
from cl_bench.reports.plots.ranks import draw_ranks
from cl_bench.reports.plots.retrieval import draw_retrieval
from cl_bench.reports.plots.sequence import draw_sequence
from cl_bench.reports.plots.series import row_labels
from cl_bench.reports.plots.style import FORMATS, save
from cl_bench.reports.plots.subspace import draw_subspace
from cl_bench.reports.runs.group import Group
from cl_bench.reports.runs.studies import OrderStudy

WORTH_A_POOL = 24  # pictures; fewer are drawn sooner than processes start
MOST_PROCESSES = 4  # each takes about 150 MiB


@dataclass(frozen=True)
class Picture:
    """One picture of a report.

    Attributes:
        name: of its files, without suffix.
        caption: what it shows, in one line.
        draw: makes it; ``None`` where the runs have nothing to show. Other processes can call it.
        inches: its width where it was drawn for a paper; the caption then says all of it.
    """

    name: str
    caption: str
    draw: Callable[[], Figure | None]
    inches: float | None = None


def run_picture(run: RunResult, slug: str, look: Look = SCREEN) -> Picture:
    """The heat map of a run."""
    config = run.config
    caption = f"Accuracy matrix of {config.method}, order {config.order}, seed {config.seed}"
    return Picture(slug, caption, partial(draw_heat_map, run, look=look))


def group_pictures(group: Group, slug: str, span: float, look: Look = SCREEN) -> list[Picture]:
    """Everything that may be drawn of a group of comparable runs.

    Args:
        group: the runs.
        slug: the names of the files begin with it.
        span: of the colours of all differences of the report, in points.
        look: of all of them.
    """
    labels = row_labels(group)
    pictures = [
        Picture(f"{slug}-{name}", caption, partial(draw, group, look=look))
        for name, caption, draw in (
            (
                "dots",
                "Transfer, Average and Last of every method, with intervals over seeds",
                draw_dots,
            ),
            ("sequence", "Accuracy of each data set over the sequence", draw_sequence),
            ("incremental", "Accuracy over the classes seen so far", draw_incremental),
            ("held-out", "Accuracy on held-out data sets over the sequence", draw_held_out),
            ("retrieval", "Recall of image-text retrieval over the sequence", draw_retrieval),
            (
                "along",
                "Accuracies so far, cost and protected dimensions along the tasks",
                draw_along,
            ),
            (
                "imbalance",
                "Accuracy of classes with many, a medium number and few training images",
                draw_imbalance,
            ),
            ("forgetting", "What is kept of what was learned", draw_forgetting),
            ("radar", "Last of each data set, the methods with the highest Average", draw_radar),
            ("pareto", "Average against parameters, seconds and memory", draw_pareto),
        )
    ]
    for place, (first, row) in enumerate(rivals(group), start=2):
        caption = f"{labels[first.label]} minus {labels[row.label]}, cell by cell"
        draw = partial(draw_difference, group, first, row, span, look=look)
        pictures.append(Picture(f"{slug}-difference-1-{place}", caption, draw))
    for place, row in enumerate(group.rows, start=1):
        caption = f"Protected dimensions of {labels[row.label]}, per block and task"
        occupied = partial(draw_subspace, group, row, look=look)
        pictures.append(Picture(f"{slug}-subspace-{place}", caption, occupied))
    return pictures


def study_picture(study: OrderStudy, slug: str, look: Look = SCREEN) -> Picture:
    """The places of all methods in every order."""
    caption = "Place of every method, by Average, in every order of the tasks"
    return Picture(f"{slug}-ranks", caption, partial(draw_ranks, study, look=look))


def write_pictures(pictures: Sequence[Picture], folder: Path) -> list[Picture]:
    """Draw every picture and write it in every format.

    Args:
        pictures: what to draw; the order in which they are drawn makes no difference.
        folder: where ``NAME.png``, ``NAME.svg`` and ``NAME.pdf`` are written.

    Returns:
        Those that had something to show, in their order, as they were drawn.
    """
    processes = min(MOST_PROCESSES, os.cpu_count() or 1)
    if len(pictures) < WORTH_A_POOL or processes == 1:
        written = [_write(folder, picture) for picture in pictures]
    else:
        # A fork would copy the locks of this process's threads in whatever state they are.
        with ProcessPoolExecutor(processes, get_context("spawn"), _settle) as pool:
            written = list(pool.map(partial(_write, folder), pictures, chunksize=2))
    return [
        _as_drawn(picture, *drawn)
        for picture, drawn in zip(pictures, written, strict=True)
        if drawn is not None
    ]


def files_of(picture: Picture, folder: Path) -> list[Path]:
    """The files that a picture is written to."""
    return [folder / f"{picture.name}.{suffix}" for suffix in FORMATS]


def _settle() -> None:
    """In a new process: what was imported stays, the garbage collector need not look at it."""
    gc.freeze()


def _write(folder: Path, picture: Picture) -> tuple[str, float] | None:
    """Write it; what its figure says of itself, and its width in inches."""
    figure = picture.draw()
    if figure is None:
        return None
    save(figure, files_of(picture, folder))
    return str(figure.get_label()), figure.get_figwidth()


def _as_drawn(picture: Picture, words: str, inches: float) -> Picture:
    """The picture with the words that are not in it."""
    return replace(picture, caption=words, inches=inches) if words else picture

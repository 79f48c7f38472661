"""A picture of a data set to look at: some images of its classes, as the model gets them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cl_bench.benchmark.images import Images

COLUMNS, ROWS = 10, 4
LONGEST_NAME = 16  # characters


def spread(targets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows of up to forty images, spread evenly over the classes."""
    by_class = np.argsort(targets, kind="stable")
    count = min(COLUMNS * ROWS, len(targets))
    rows: NDArray[np.int64] = by_class[np.linspace(0, len(targets) - 1, count).astype(int)]
    return rows


def save_contact_sheet(title: str, classnames: tuple[str, ...], images: Images, path: Path) -> None:
    """Draw images under their class names.

    Args:
        title: of the sheet.
        classnames: what the targets index.
        images: all of which are drawn.
        path: a PNG file to write.
    """
    lines = -(-len(images) // COLUMNS)
    figure = Figure(figsize=(COLUMNS * 1.25, 0.6 + 1.45 * lines), layout="constrained")
    FigureCanvasAgg(figure)  # draws without a display
    figure.suptitle(title, parse_math=False)
    grid = figure.subplots(lines, COLUMNS, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, pixels, target in zip(grid.flat, images.pixels, images.targets, strict=False):
        axes.imshow(pixels.permute(1, 2, 0).expand(-1, -1, 3).numpy())
        name = classnames[int(target)]
        shown = name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
        axes.set_title(shown, fontsize=7, parse_math=False, pad=2)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)

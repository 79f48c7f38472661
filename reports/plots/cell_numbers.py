"""Numbers in the cells of a matrix, drawn fast."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cache

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.font_manager import FontProperties
from matplotlib.path import Path
from matplotlib.textpath import TextPath, text_to_path
from matplotlib.transforms import Affine2D, ScaledTranslation
from numpy.typing import NDArray

from cl_bench.reports.plots.look import FAMILY

SIZE = 8.0  # points


def write_numbers(axes: Axes, texts: Sequence[Sequence[str]], dark: NDArray[np.bool_]) -> None:
    """Write one short text at the centre of every cell: column j and row i are at (j, i).

    They are outlines, drawn one character and place in the text at a time: a text object in every
    cell would take half of the time that a report with many runs takes.

    Args:
        axes: of the matrix.
        texts: one per cell.
        dark: the cells on which white is read better than black.
    """
    uses: dict[tuple[str, float], list[tuple[int, int]]] = defaultdict(list)
    for i, row in enumerate(texts):
        for j, text in enumerate(row):
            for character, shift in _typeset(text):
                uses[character, shift].append((j, i))
    figure = axes.get_figure(root=True)
    assert figure is not None
    inches = figure.dpi_scale_trans
    for (character, shift), cells in uses.items():
        collection = PathCollection(
            [_outline(character)],
            offsets=cells,
            offset_transform=axes.transData + ScaledTranslation(shift / 72, 0, inches),
            facecolors=["white" if dark[i, j] else "black" for j, i in cells],
            linewidths=0,
            zorder=3,
        )
        collection.set_transform(Affine2D().scale(1 / 72) + inches)
        collection.set_in_layout(False)
        axes.add_collection(collection, autolim=False)


@cache
def _typeset(text: str) -> list[tuple[str, float]]:
    """Every character of a text and how far right of the text's middle it begins, in points."""
    font = FontProperties(family=FAMILY, size=SIZE)
    widths = [text_to_path.get_text_width_height_descent(c, font, False)[0] for c in text]
    starts = [sum(widths[:i]) - sum(widths) / 2 for i in range(len(widths))]
    return [(c, round(float(start), 2)) for c, start in zip(text, starts, strict=True)]


@cache
def _outline(character: str) -> Path:
    """A character's outline in points; vertically, the middle of a digit is at 0."""
    font = FontProperties(family=FAMILY)
    digit = TextPath((0, 0), "0", size=SIZE, prop=font).get_extents()
    path = TextPath((0, -(digit.y0 + digit.y1) / 2), character, size=SIZE, prop=font)
    return Path(path.vertices.round(2), path.codes)

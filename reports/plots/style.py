"""How every picture is drawn and saved: one place for colours, titles, legends and formats.

Colours are Okabe and Ito's (2008, "Color Universal Design", jfly.uni-koeln.de/color) for lines and
cividis and its kin for areas; lines differ in dash and marker, too, so that all reads in grey.
"""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.legend import Legend

from cl_bench.reports.plots.look import Look, in_style
from cl_bench.reports.runs.group import Group
from cl_bench.reports.runs.names import beyond_mtil, counted_tasks, suite_in_words

FORMATS = ("png", "svg", "pdf")
DPI = 150
CHARACTERS_PER_INCH = 12.5  # of a title, on the safe side
TITLE_SIZE = 10  # points
# colour, dash, marker
LINES: tuple[tuple[str, Any, str], ...] = (
    ("#0072B2", "-", "o"),
    ("#D55E00", (0, (5, 1.5)), "s"),
    ("#009E73", (0, (6, 1.5, 1, 1.5)), "^"),
    ("#CC79A7", (0, (3, 1, 1, 1, 1, 1)), "D"),
    ("#E69F00", (0, (2, 1)), "v"),
    ("#56B4E9", (0, (8, 1, 2, 1)), "P"),
)
OTHERS = "#c8c8c8"
ZERO_SHOT_LINE: dict[str, Any] = {"color": "black", "linestyle": ":", "linewidth": 1.2}
DARK_BELOW = 0.48  # of cividis' range; below, white has more contrast than black


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches that draws without a display."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


@in_style
def save(figure: Figure, paths: Sequence[Path]) -> None:
    """Write a figure in the format of each path's suffix; the same figure gives the same bytes.

    Args:
        figure: is laid out once, before the first is written.
        paths: files to write: ``.png`` (150 dpi), ``.svg`` or ``.pdf``; folders are made.
    """
    with warnings.catch_warnings():
        # A name in a script that the font lacks shows as boxes; the picture is still good.
        warnings.filterwarnings("ignore", message=".*[Gg]lyph.*missing")
        engine = figure.get_layout_engine()
        if engine is not None:
            engine.execute(figure)  # once; savefig would do so again for every format
            figure.set_layout_engine("none")
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(figure, path)


def _write(figure: Figure, path: Path) -> None:
    canvas: Any  # matplotlib does not type these methods
    if path.suffix == ".pdf":
        canvas = FigureCanvasPdf(figure)
        canvas.print_pdf(path, metadata={"CreationDate": None})
    elif path.suffix == ".svg":
        canvas = FigureCanvasSVG(figure)
        canvas.print_svg(path, metadata={"Date": None})
    else:
        canvas = FigureCanvasAgg(figure)
        canvas.print_png(path, pil_kwargs={"compress_level": 3})


def set_title(figure: Figure, lines: Sequence[str], look: Look) -> None:
    """Say what the figure shows: wrapped at its upper left, or in its label, for the caption."""
    if look.paper:
        figure.set_label("; ".join(line.strip() for line in lines if line.strip()))
        return
    width = int(figure.get_figwidth() * CHARACTERS_PER_INCH)
    wrapped = [
        part for line in lines for part in textwrap.wrap(line, width, break_on_hyphens=False)
    ]
    figure.suptitle("\n".join(wrapped), fontsize=TITLE_SIZE, x=0.01, ha="left")


def name_panel(axes: Axes, words: str, look: Look, loc: Any = "center") -> None:
    """Write what a panel shows above it."""
    if look.paper:
        axes.annotate(
            words, (0, 1), (0, 2), xycoords="axes fraction", textcoords="offset points", va="bottom"
        )
    else:
        axes.set_title(words, loc=loc)


def group_title(what: str, group: Group) -> list[str]:
    """What a picture shows and of which runs."""
    c = group.config
    common = f"order {c.order}, {counted_tasks(c)}, preset {c.preset}, {c.backbone.name}"
    return [what, f"{suite_in_words(c)} ({common})", *beyond_mtil(c)]


def add_legend(
    where: Figure | Axes, handles: Sequence[Artist], labels: Sequence[str], **options: Any
) -> Legend:
    """A legend whose labels may begin with an underscore, which matplotlib would leave out."""
    legend = where.legend(list(handles), [str(i) for i in range(len(labels))], **options)
    for text, label in zip(legend.get_texts(), labels, strict=True):
        text.set_text(label)
    return legend

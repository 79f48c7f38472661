"""Which place every method has in every order of the tasks."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cl_bench.reports.plots.look import SCREEN, Look, in_style
from cl_bench.reports.plots.series import LONGEST_LABEL
from cl_bench.reports.plots.style import LINES, OTHERS, new_figure, set_title
from cl_bench.reports.runs.metrics import HEADLINE, METRICS
from cl_bench.reports.runs.names import clip, one_line, suite_in_words
from cl_bench.reports.runs.studies import OrderStudy
from cl_bench.reports.statistics.orders import by_mean, ranks


@in_style
def draw_ranks(study: OrderStudy, look: Look = SCREEN) -> Figure | None:
    """Places by Average, one line a method; ``None`` where fewer than two have all orders."""
    places, orders = ranks(study, HEADLINE), list(study.groups)
    shown = [label for label in by_mean(study, HEADLINE) if label in places]
    if len(shown) < 2:
        return None
    width = look.width(max(7.0, 3.0 + 0.4 * len(orders)), fits_a_column=False)
    figure = new_figure(width, 1.7 + 0.24 * len(shown))
    axes = figure.subplots()
    for i, label in enumerate(shown):
        line, style = [places[label][order] for order in orders], _style(i)
        axes.plot(range(len(orders)), line, **style)
        axes.annotate(
            clip(one_line(label), LONGEST_LABEL), (len(orders) - 1, line[-1]), (8, 0),
            textcoords="offset points", va="center", fontsize=look.label,
            color=style["color"] if i < len(LINES) else "black",
        )  # fmt: skip
    axes.set_xticks(range(len(orders)), orders, rotation=90)
    axes.set_ylim(len(shown) + 0.5, 0.5)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=12))
    axes.set_ylabel("place")
    axes.grid(axis="y")
    what = f"Place of every method by {METRICS[HEADLINE]} in {len(orders)} orders of the same tasks"
    c = study.config
    set_title(figure, [what, f"{suite_in_words(c)} (preset {c.preset}, {c.backbone.name})"], look)
    return figure


def _style(place: int) -> dict[str, Any]:
    """Of the method with the ``place``-th highest mean, from 0."""
    if place >= len(LINES):
        return {"color": OTHERS}
    return dict(zip(("color", "linestyle", "marker"), LINES[place], strict=True))

"""The paired tests of a group as tables: Markdown against the best row, CSV of every pair."""

from __future__ import annotations

from collections.abc import Sequence

from cl_bench.benchmark.errors import UserError
from cl_bench.reports import escape
from cl_bench.reports.compare import Group, interval, mean
from cl_bench.reports.statistics import LEVEL, Comparison, compare_all
from cl_bench.reports.tables import GROUP_HEADER, group_cells, markdown_heading, to_csv

READING = (
    "Last of every row against the best one's: difference in points (mean over the shared seeds, ± half "
    "of its 95 % interval), and how many test images only one of the two classifies right, over all tasks "
    f"and shared seeds. p: exact McNemar test, after Holm over all pairs of rows; below {LEVEL:g} the "
    "difference is more than noise on these test images. The tests take the images for the sample: where "
    "fewer than three seeds are shared, nothing is known of how much another seed would change."
)
HEADER = ("a", "b", "seeds", "difference", "interval95", "only_a", "only_b", "p", "p_holm")


def markdown(groups: Sequence[Group]) -> str:
    """One section per group: the best row by Last against every other."""
    lines = ["# Is it more than noise?", "", READING]
    for g in groups:
        lines += ["", *markdown_heading(g), *_against_the_best(g)]
    return "\n".join(lines) + "\n"


def _against_the_best(g: Group) -> list[str]:
    try:
        comparisons = compare_all(g)
    except UserError as error:
        return [escape.markdown(f"Not tested: {error}")]
    if not comparisons:
        return ["Nothing to compare."]
    best = comparisons[0].a
    lines = [f"Best Last: **{escape.markdown(best)}**.", ""]
    lines += ["| Against | seeds | Difference | only it | only the other | p | |"]
    lines += ["| --- | --: | --: | --: | --: | --: | --- |"]
    lines += [_line(c) for c in comparisons if c.a == best]
    return lines


def _line(c: Comparison) -> str:
    spread = interval(c.difference)
    difference = f"{mean(c.difference):.2f}" + (f" ± {spread:.2f}" if spread is not None else "")
    verdict = "more than noise" if c.significant else "**≈** not told apart"
    cells = (
        escape.markdown(c.b), str(c.seeds), difference, f"{c.only_a:,}", f"{c.only_b:,}",
        in_words(c.corrected), verdict,
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def in_words(p: float) -> str:
    """A p value as people read it."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def to_table_csv(groups: Sequence[Group]) -> str:
    """One line per pair of rows, full precision; groups without predictions are left out."""
    lines = []
    for g in groups:
        try:
            comparisons = compare_all(g)
        except UserError:
            continue
        for c in comparisons:
            figures = (mean(c.difference), interval(c.difference))
            lines += [
                (*group_cells(g), c.a, c.b, c.seeds, *figures, c.only_a, c.only_b, c.p, c.corrected)
            ]
    return to_csv((*GROUP_HEADER, *HEADER), lines)

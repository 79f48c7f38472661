"""The paired tests of a group as tables: for reading against the best row, as CSV of every pair."""

from __future__ import annotations

from statistics import fmean

from cl_bench.reports.chapter import Chapter
from cl_bench.reports.compare import DECIMALS, Group, interval, plus_minus
from cl_bench.reports.csv_file import Value
from cl_bench.reports.statistics import LEVEL, Comparison
from cl_bench.reports.table import Cell, Table, number, words_alone

READING = (
    "Last of every row against the best one's: difference in points (mean over the shared seeds, ± half "
    "of its 95 % interval), and how many test images only one of the two classifies right, over all tasks "
    f"and shared seeds. p: exact McNemar test, after Holm over all pairs of rows; below {LEVEL:g} the "
    "difference is more than noise on these test images. The tests take the images for the sample: where "
    "fewer than three seeds are shared, nothing is known of how much another seed would change."
)
HEADER = ("a", "b", "seeds", "difference", "interval95", "only_a", "only_b", "p", "p_holm")


def _tables(g: Group) -> list[Table]:
    """The best row by Last against every other."""
    tests = g.tests
    notes = tuple(f"Not tested: {reason}" for reason in tests.untested)
    rows = tuple(_row(c) for c in tests.pairs if c.a == tests.best)
    if not rows:
        return [words_alone(*(notes or ["Nothing to compare."]))]
    header = ("Against", "seeds", "Difference", "only it", "only the other", "p", "Verdict")
    return [Table(header, rows, f"Best Last: {tests.best}", frozenset({6}), notes)]


def _row(c: Comparison) -> tuple[Cell, ...]:
    difference = fmean(c.difference)
    return (
        Cell(c.b),
        Cell(str(c.seeds)),
        Cell(plus_minus(difference, interval(c.difference), DECIMALS), value=difference),
        number(c.only_a, ","),
        number(c.only_b, ","),
        Cell(in_words(c.corrected), value=c.corrected),
        Cell("more than noise" if c.significant else "≈ not told apart"),
    )


def in_words(p: float) -> str:
    """A p value as people read it."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _lines(g: Group) -> list[tuple[Value, ...]]:
    """One line per pair of rows."""
    return [
        (
            c.a, c.b, c.seeds, fmean(c.difference), interval(c.difference), c.only_a, c.only_b, c.p,
            c.corrected,
        )
        for c in g.tests.pairs
    ]  # fmt: skip


CHAPTER = Chapter("statistics", "Is it more than noise?", READING, _tables, HEADER, _lines)

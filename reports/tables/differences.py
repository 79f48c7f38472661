"""Which differences are real: every row against the best one, in every metric that has verdicts."""

from __future__ import annotations

from cl_bench.reports.runs.metrics import MAIN, NAMES
from cl_bench.reports.runs.names import short_names
from cl_bench.reports.runs.numbers import plain, signed
from cl_bench.reports.statistics.difference import Difference
from cl_bench.reports.statistics.holm import LEVEL
from cl_bench.reports.statistics.spread import FEWEST_SEEDS, decimals
from cl_bench.reports.statistics.verdicts import Judged, Judgement, Verdict
from cl_bench.reports.tables.chapter import Chapter
from cl_bench.reports.tables.csv_file import Value
from cl_bench.reports.tables.table import Cell, Table, words_alone

READING = (
    "The best row against every other, in points. These images: p of no difference for other test images of "
    "the same data sets, the trained models given. Other seeds: each row's metric over seeds; below "
    f"{FEWEST_SEEDS} seeds its lowest and highest value, and what another seed would do is unknown. Both: an "
    "interval for other images and other seeds together, at the level at which the pair was tested (Holm's, "
    f"{LEVEL:g} for all pairs of rows together), so that it leaves out 0 exactly where the verdict is "
    f"“{Verdict.higher}”. Without enough seeds the verdict rests on the images alone and says so."
)
PER_TASK = (
    "The best row minus every other on each data set; in brackets where the two cannot be told apart, with ° "
    "where that is known for these images alone (one family of tests)."
)
HEADER = (
    "metric", "task", "a", "b", "difference", "error_images", "p_images", "seeds_a", "seeds_b",
    "error_both", "p_both", "level", "low", "high", "verdict",
)  # fmt: skip


def _tables(judged: Judged) -> list[Table]:
    """Per metric, a table over all tasks and one task by task."""
    notes = tuple(f"Not tested: {reason}" for reason in judged.untested)
    tables = []
    for metric in judged.pairs:
        against = judged.against_best(metric)
        best = judged.best(metric)
        if not against or best is None:
            continue
        header = ("Against", "Difference", "These images: p", "Other seeds", "Both", "Verdict")
        rows = tuple(_row(best, pair) for pair in against)
        title = f"{NAMES[metric]}, best: {best}"
        tables.append(Table(header, rows, title, frozenset({3, 4, 5})))
        tables += _per_task(judged, metric, best)
    if not tables:
        return [words_alone(*(notes or ("Nothing to compare.",)))]
    return [*tables, *([words_alone(*notes)] if notes else [])]


def _row(best: str, pair: Judgement) -> tuple[Cell, ...]:
    other, sign = (pair.b, 1) if pair.a == best else (pair.a, -1)
    d = pair.difference
    ours, theirs = (d.a, d.b) if sign == 1 else (d.b, d.a)
    return (
        Cell(other),
        Cell(difference_in_words(sign * d.points, pair), value=sign * d.points),
        Cell(p_in_words(d.images.p), value=d.images.p),
        Cell(f"{ours.words()}; {theirs.words()}"),
        Cell(interval_in_words(pair, sign)),
        Cell(pair.verdict if sign == 1 else f"lower: {pair.verdict}"),
    )


def difference_in_words(points: float, pair: Judgement) -> str:
    """A signed difference with the digits that its error supports."""
    digits = decimals(2 * pair.difference.known.error)
    return signed(points, digits)


def interval_in_words(pair: Judgement, sign: int = 1) -> str:
    """``+0.4 to +3.1``; ends are never rounded to 0, so that no interval seems to hold it."""
    if pair.interval is None:
        return "unknown"
    low, high = sorted(sign * end for end in pair.interval)
    digits = decimals(2 * pair.difference.known.error)
    return f"{_end(low, digits)} to {_end(high, digits)}"


def _end(end: float, digits: int) -> str:
    while end and round(end, digits) == 0:
        digits += 1
    return signed(end, digits)


def p_in_words(p: float) -> str:
    """A p value as people read it."""
    return "< 0.001" if p < 0.001 else plain(p, 3)


def _per_task(judged: Judged, metric: str, best: str) -> list[Table]:
    """One line per other row, one column per data set."""
    pairs = judged.tasks.get(metric, ())
    tasks = list(dict.fromkeys(pair.task for pair in pairs if pair.task is not None))
    found = {(p.b if p.a == best else p.a, p.task): p for p in pairs if best in (p.a, p.b)}
    others = [p.b if p.a == best else p.a for p in judged.against_best(metric)]
    if len(tasks) < 2 or not found:
        return []
    rows = tuple(
        (Cell(other), *(_cell(best, found[other, task]) for task in tasks)) for other in others
    )
    header = ("Against", *short_names(tasks))
    parts = "task by task" if metric in MAIN else "set by set"
    return [Table(header, rows, f"{NAMES[metric]}, {parts}, best: {best}", notes=(PER_TASK,))]


def _cell(best: str, pair: Judgement) -> Cell:
    points = pair.difference.points if pair.a == best else -pair.difference.points
    shown = difference_in_words(points, pair)
    match pair.verdict:
        case Verdict.alike:
            return Cell(f"({shown})", value=points)
        case Verdict.images:
            return Cell(shown, value=points, remark="°")
        case Verdict.higher:
            return Cell(shown, value=points)


def _lines(judged: Judged) -> list[tuple[Value, ...]]:
    """One line per pair of rows in every metric, and per task for those of the best row."""
    return [
        (metric, pair.task, pair.a, pair.b, *_numbers(pair.difference), pair.level,
         *(pair.interval or (None, None)), pair.verdict)
        for metric in judged.pairs
        for pair in (*judged.pairs.get(metric, ()), *judged.tasks.get(metric, ()))
    ]  # fmt: skip


def _numbers(d: Difference) -> tuple[Value, ...]:
    both = (None, None) if d.both is None else (d.both.error, d.both.p)
    return (d.points, d.images.error, d.images.p, len(d.a.values), len(d.b.values), *both)


CHAPTER = Chapter("differences", "Which differences are real?", READING, _tables, HEADER, _lines)

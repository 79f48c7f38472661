"""The same tasks in several orders: what other orders do beside what other seeds do, and who stays ahead."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cl_bench.reports.runs.metrics import HEADLINE, MAIN, METRICS
from cl_bench.reports.runs.names import short_names, suite_in_words
from cl_bench.reports.runs.numbers import plain
from cl_bench.reports.runs.slugs import study_slugs
from cl_bench.reports.runs.studies import OrderStudy
from cl_bench.reports.statistics.orders import (
    OverOrders,
    by_mean,
    order_matters,
    order_pairs,
    ranks,
)
from cl_bench.reports.tables import escape, table
from cl_bench.reports.tables.chapter import LATEX_PACKAGES, latex_label
from cl_bench.reports.tables.csv_file import Value, to_csv
from cl_bench.reports.tables.table import Cell, Table, number

TITLE = "Over orders"
READING = (
    "An order's value is the mean over its seeds. ±: half of the 95 % interval of the mean over orders (Student's t). "
    "SD over orders: of the orders' means; SD over seeds: within an order, of all orders together. Order matters: whether "
    "orders differ by more than seeds do (analysis of variance, 5 %); it takes two seeds of every order. Places: the "
    "highest and lowest place by Average in any of the orders, of the methods that have all of them. Verdict: of the "
    "highest mean against this method, from their difference in each order that both have (paired t test, Holm over all "
    "pairs). It is of other orders; the test images are the same in all, and what other images would do is in the "
    "verdicts of each order's own table. Zero-shot, bounds and runs from uncommitted code are left out."
)
HEADER = (
    "suite", "suite_digest", "preset", "order", "tasks", "method", "seeds",
    *(f"{metric}_mean" for metric in MAIN), "place",
)  # fmt: skip


def titled(study: OrderStudy) -> str:
    """The suite in words, and how many orders of how many tasks."""
    config = study.config
    return (
        f"{suite_in_words(config)}; {len(study.groups)} orders of {len(config.tasks)} tasks, preset "
        f"{config.preset}, suite digest {config.suite.digest}"
    )


def study_table(study: OrderStudy) -> Table:
    """Every method: its metrics over orders, both spreads, its places and the verdict."""
    labels, places = by_mean(study, HEADLINE), ranks(study, HEADLINE)
    verdicts = _against_the_first(study, labels)
    header = (
        "Method", "Orders", "Seeds", *(METRICS[m] for m in MAIN), "SD over orders", "SD over seeds",
        "Order matters", "Places", f"Verdict ({METRICS[HEADLINE]})",
    )  # fmt: skip
    rows = tuple(
        (Cell(label), *_cells(study, label), _places(places.get(label)), Cell(verdicts[label]))
        for label in labels
    )
    lists = [
        f"{order}: {', '.join(short_names(group.config.tasks))}"
        for order, group in study.groups.items()
    ]
    last = len(header) - 1
    return Table(header, rows, words=frozenset({last - 2, last}), notes=tuple(lists))


def _cells(study: OrderStudy, label: str) -> Iterator[Cell]:
    """From the number of orders to whether the order matters."""
    rows = study.rows[label]
    seeds = sorted({len(row.runs) for row in rows.values()})
    yield Cell(str(len(rows)))
    yield Cell("-".join(map(str, dict.fromkeys((seeds[0], seeds[-1])))))
    for metric in MAIN:
        spread = OverOrders.of(rows, metric).spread
        yield Cell(spread.words(), value=spread.mean)
    headline = OverOrders.of(rows, HEADLINE)
    for deviation in (headline.between_orders, headline.between_seeds):
        yield number(deviation, lambda value: plain(value, digits=2))
    yield Cell(order_matters(headline))


def _places(by_order: dict[str, int] | None) -> Cell:
    if by_order is None:
        return Cell("-")
    best, worst = min(by_order.values()), max(by_order.values())
    return Cell(str(best) if best == worst else f"{best}-{worst}", value=best)


def _against_the_first(study: OrderStudy, labels: Sequence[str]) -> dict[str, str]:
    """What may be said of each method beside the one with the highest mean."""
    words = {labels[0]: "highest mean"}
    for pair in order_pairs(study, HEADLINE):
        if labels[0] not in (pair.a, pair.b):
            continue
        other = pair.b if pair.a == labels[0] else pair.a
        ahead = "lower" if pair.a == labels[0] else "higher in the orders that both have"
        words[other] = ahead if pair.verdict == "higher" else pair.verdict
    return words


def pairs_table(study: OrderStudy) -> Table:
    """Every pair of methods by Average: the difference over orders, its interval and the verdict."""
    rows = []
    for pair in order_pairs(study, HEADLINE):
        low, high = pair.interval or (None, None)
        interval = "-" if low is None or high is None else f"{plain(low)} to {plain(high)}"
        points = pair.difference.points if pair.difference else None
        rows.append(
            (
                Cell(f"{pair.a} - {pair.b}"),
                Cell(str(pair.orders)),
                number(points),
                Cell(interval),
                Cell(pair.verdict),
            )
        )
    header = ("Methods", "Orders", f"Difference ({METRICS[HEADLINE]})", "Interval", "Verdict")
    return Table(header, tuple(rows), title="Pairs", words=frozenset({4}))


def markdown(studies: Sequence[OrderStudy]) -> str:
    """One section a study."""
    lines = [f"# {TITLE}", "", READING]
    for study in studies:
        methods = study_table(study)
        lines += ["", f"## {escape.markdown(titled(study))}", "", *table.markdown(methods)]
        lines += ["", "### Pairs", "", *table.markdown(pairs_table(study)), ""]
        lines += [f"- {escape.markdown(note)}" for note in methods.notes]
    return "\n".join(lines) + "\n"


def latex(studies: Sequence[OrderStudy]) -> str:
    """One LaTeX table a study."""
    lines = [LATEX_PACKAGES, f"% {READING}"]
    for study, slug in zip(studies, study_slugs(studies), strict=True):
        lines += ["", *table.latex(study_table(study), titled(study), latex_label("orders", slug))]
    return "\n".join(lines) + "\n"


def csv(studies: Sequence[OrderStudy]) -> str:
    """A line for every method in every order."""
    return to_csv(HEADER, (line for study in studies for line in _lines(study)))


def _lines(study: OrderStudy) -> Iterator[tuple[Value, ...]]:
    c, places = study.config, ranks(study, HEADLINE)
    for order, group in study.groups.items():
        tasks = ",".join(group.config.tasks)
        for label, rows in study.rows.items():
            if order in rows:
                row = rows[order]
                means = (row.mean(metric) for metric in MAIN)
                place = places.get(label, {}).get(order)
                yield (c.suite.name, c.suite.digest, c.preset, order, tasks, label, len(row.runs),
                       *means, place)  # fmt: skip

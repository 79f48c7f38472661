"""Orders as a study: the spread over orders beside that over seeds, and verdicts that follow from their intervals.

What would be wrong without a word: methods compared over different orders, orders of other tasks or rules taken
together, seeds counted as orders, a verdict that its interval contradicts, a place among methods of which some
lack an order.
"""

from __future__ import annotations

import csv
from itertools import permutations
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import f_oneway, ttest_rel
from written_run import write_run

from cl_bench.benchmark.config import Budget, Protocol
from cl_bench.reports.report import write_report
from cl_bench.reports.runs.find import read_runs
from cl_bench.reports.runs.group import group
from cl_bench.reports.runs.studies import OrderStudy, order_studies
from cl_bench.reports.statistics.difference import Estimate
from cl_bench.reports.statistics.holm import levels
from cl_bench.reports.statistics.orders import (
    OrderPair,
    OverOrders,
    order_matters,
    order_pairs,
    ranks,
)
from cl_bench.reports.tables import orders

ORDERS = {f"random-{i}": tasks for i, tasks in enumerate(permutations(("t-a", "t-b", "t-c")), 1)}
METHODS = ("lora", "keeplora", "zscl")


def write(folder: Path, method: str, order: str, seeds: int = 2, **changes: object) -> None:
    for seed in range(seeds):
        into = folder / f"{method}-{order}-{len(list(folder.glob('*')))}"
        draw = seed + 100 * int(order.removeprefix("random-"))
        write_run(into, method, draw, tasks=ORDERS[order], order=order, **changes)  # type: ignore[arg-type]


def studies(folder: Path) -> list[OrderStudy]:
    return order_studies(group(read_runs([folder])[0]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three methods in six orders of two seeds; zscl lacks the last order."""
    folder = tmp_path_factory.mktemp("orders")
    for order in ORDERS:
        for method in METHODS:
            if (method, order) != ("zscl", "random-6"):
                write(folder, method, order)
    return folder


@pytest.fixture(scope="module")
def study(folder: Path) -> OrderStudy:
    (study,) = studies(folder)
    return study


def test_spreads_are_those_of_a_plain_computation(study: OrderStudy) -> None:
    assert list(study.groups) == list(ORDERS)
    for label, rows in study.rows.items():
        values = {o: [r.matrix.metrics()["last"] for r in row.runs] for o, row in rows.items()}
        found = OverOrders.of(rows, "last")
        assert found.values == {o: tuple(v) for o, v in values.items()}, label
        means = [fmean(v) for v in values.values()]
        assert found.between_orders == pytest.approx(np.std(means, ddof=1))
        within = np.mean([np.var(v, ddof=1) for v in values.values()]) ** 0.5
        assert found.between_seeds == pytest.approx(within)
        assert found.p_order == pytest.approx(f_oneway(*values.values()).pvalue)


def test_pairs_are_tested_over_the_orders_that_both_have(study: OrderStudy) -> None:
    pairs = {frozenset((p.a, p.b)): p for p in order_pairs(study, "average")}
    assert len(pairs) == 3
    for pair in pairs.values():
        shared = [o for o in study.rows[pair.a] if o in study.rows[pair.b]]
        assert pair.orders == len(shared) == (5 if "zscl" in (pair.a, pair.b) else 6)
        a, b = (
            [fmean(study.rows[m][o].values("average")) for o in shared] for m in (pair.a, pair.b)
        )
        assert pair.difference is not None and pair.difference.points >= 0
        assert pair.difference.points == pytest.approx(fmean(a) - fmean(b))
        assert pair.difference.p == pytest.approx(ttest_rel(a, b).pvalue)
    expected = levels([p.difference.p for p in pairs.values() if p.difference])
    assert [p.level for p in pairs.values()] == expected


def test_places_are_of_methods_that_have_all_orders(study: OrderStudy) -> None:
    found = ranks(study, "average")
    assert found.keys() == {"lora", "keeplora"}
    for order in study.groups:
        assert {of[order] for of in found.values()} == {1, 2}
        better = max(found, key=lambda m: study.rows[m][order].mean("average") or 0.0)
        assert found[better][order] == 1


@given(st.floats(0, 60), st.floats(1e-6, 20), st.integers(2, 20), st.floats(1e-4, 0.05))
def test_a_verdict_never_contradicts_its_interval(
    points: float, error: float, freedom: int, level: float
) -> None:
    pair = OrderPair("a", "b", freedom + 1, Estimate(points, error, freedom), level)
    assert pair.interval is not None
    assert (pair.verdict == "higher") == (pair.interval[0] >= 0 and points > 0) or pair.interval[
        0
    ] == pytest.approx(0, abs=1e-9)


def test_whether_the_order_matters_is_unknown_of_one_seed() -> None:
    assert order_matters(OverOrders({"a": (1.0,), "b": (2.0, 3.0)})) == "unknown: one seed"
    assert order_matters(OverOrders({"a": (1.0, 1.1), "b": (9.0, 9.1), "c": (5.0, 5.1)})) == "yes"
    assert order_matters(OverOrders({"a": (1.0, 9.0), "b": (2.0, 8.0)})) == "cannot be told"
    assert order_matters(OverOrders({"a": (3.0, 3.0), "b": (3.0, 3.0)})) == "cannot be told"
    assert order_matters(OverOrders({"a": (3.0, 3.0), "b": (4.0, 4.0)})) == "yes"


def test_two_orders_are_no_study_and_other_rules_or_tasks_no_part_of_one(tmp_path: Path) -> None:
    for order in list(ORDERS)[:2]:
        write(tmp_path, "lora", order)
    assert studies(tmp_path) == []
    write(tmp_path, "lora", "random-3", protocol=Protocol(prompts="ensemble"))
    steps = dict.fromkeys(ORDERS["random-4"], 11)
    write(tmp_path, "lora", "random-4", budget=Budget(batch_size=4, steps=steps))
    write_run(tmp_path / "other", "lora", 0, tasks=("t-a", "t-b", "t-d"), order="random-5")
    assert studies(tmp_path) == []
    write(tmp_path, "lora", "random-6")
    (study,) = studies(tmp_path)
    assert list(study.groups) == ["random-1", "random-2", "random-6"]


def test_fewer_than_three_orders_in_common_are_not_judged(tmp_path: Path) -> None:
    for order in ORDERS:
        write(tmp_path, "lora", order, seeds=1)
    for order in ("random-1", "random-4"):
        write(tmp_path, "keeplora", order, seeds=1)
    (study,) = studies(tmp_path)
    (pair,) = order_pairs(study, "average")
    assert pair.verdict == "unknown: too few orders in common" and pair.interval is None
    (line,) = [x for x in orders.markdown([study]).splitlines() if x.startswith("| keeplora |")]
    assert "unknown: too few orders in common" in line and "unknown: one seed" in line


def test_orders_of_ones_own_and_bounds(tmp_path: Path) -> None:
    for place, tasks in enumerate(ORDERS.values()):
        write_run(tmp_path / f"l{place}", "lora", 0, tasks=tasks, order="custom")
        write_run(tmp_path / f"j{place}", "joint", 0, tasks=tasks, order="custom", bound=True)
    (study,) = studies(tmp_path)
    assert list(study.groups) == [f"custom-{i}" for i in range(1, 7)]
    assert list(study.rows) == ["lora"]


def test_every_order_and_method_has_a_line(study: OrderStudy) -> None:
    lines = list(csv.DictReader(orders.csv([study]).splitlines()))
    assert len(lines) == 17 and {line["order"] for line in lines} == set(ORDERS)
    of_zscl = [line for line in lines if line["method"] == "zscl"]
    assert len(of_zscl) == 5 and all(line["place"] == "" for line in of_zscl)
    assert "- random-2: a, c, b" in orders.markdown([study])


def test_a_report_of_orders_has_tables_a_picture_and_a_section(tmp_path: Path) -> None:
    for order in list(ORDERS)[:2]:
        for method in METHODS[:2]:
            write(tmp_path / "runs", method, order, seeds=1)
    report = write_report([tmp_path / "runs"], tmp_path / "two")
    assert not [file for file in report.files if "orders" in file.name]
    for method in METHODS[:2]:
        write(tmp_path / "runs", method, "random-5", seeds=1)
    write_report([tmp_path / "runs"], tmp_path / "three")
    assert (tmp_path / "three" / "plots" / "toy-orders-fair-ranks.png").exists()
    page = (tmp_path / "three" / "report.html").read_text()
    assert 'id="study-toy-orders-fair"' in page and "3 orders of 3 tasks" in page
    assert all(
        (tmp_path / "three" / f"orders.{suffix}").exists() for suffix in ("md", "tex", "csv")
    )

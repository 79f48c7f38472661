"""Work done in threads before it is asked for: in order, bounded, and stopped when nobody asks."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from itertools import count, islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cl_bench.benchmark.prefetch import prefetch


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(), max_size=30), st.integers(1, 5))
def test_it_is_map_in_order(items: list[int], workers: int) -> None:
    def late(item: int) -> int:
        time.sleep((item % 3) * 1e-4)  # later items may be ready first
        return 2 * item

    assert list(prefetch(late, items, workers)) == [2 * item for item in items]


@pytest.mark.parametrize("workers", [1, 3])
def test_no_more_than_workers_and_one_are_under_way(workers: int) -> None:
    drawn = 0

    def items() -> Iterator[int]:
        nonlocal drawn
        for item in range(20):
            drawn += 1
            yield item

    for done, _ in enumerate(prefetch(lambda item: item, items(), workers)):
        assert drawn == min(done + workers + 1, 20)
    assert drawn == 20


def test_work_runs_in_other_threads_and_items_are_drawn_in_the_callers() -> None:
    here = threading.get_ident()
    drawing: set[int] = set()

    def items() -> Iterator[int]:
        for item in range(5):
            drawing.add(threading.get_ident())
            yield item

    working = set(prefetch(lambda item: threading.get_ident(), items(), 2))
    assert drawing == {here} and here not in working and len(working) <= 2


def test_an_error_comes_where_its_result_would_have() -> None:
    results = prefetch(lambda item: 10 // (3 - item), range(6), 2)
    assert list(islice(results, 3)) == [3, 5, 10]
    with pytest.raises(ZeroDivisionError):
        next(results)
    with pytest.raises(StopIteration):
        next(results)


def test_leaving_early_ends_the_threads_and_starts_nothing_more() -> None:
    started = 0

    def work(item: int) -> int:
        nonlocal started
        started += 1
        return item

    before = threading.active_count()
    results = prefetch(work, count(), 2)
    assert list(islice(results, 3)) == [0, 1, 2]
    results.close()  # type: ignore[attr-defined]
    known = started
    assert threading.active_count() == before and known <= 3 + 2 + 1
    time.sleep(0.01)
    assert started == known


def test_an_error_while_drawing_is_raised_too() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("the list ended early")

    with pytest.raises(OSError, match="ended early"):
        list(prefetch(lambda item: item, items(), 1))

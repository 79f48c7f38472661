"""Random orders: the same for every method, machine and moment, no two alike, and never more than there are.

What would be wrong without a word: a method that learns in another order than the one it is compared with, two
numbers of one order, a run that claims a random order and has another one.
"""

from __future__ import annotations

from itertools import permutations
from math import factorial

import pytest
from command_line import cl_bench

from cl_bench.benchmark.errors import UserError
from cl_bench.cli.several import orders_in
from cl_bench.datasets.catalog import find_suite
from cl_bench.datasets.random_orders import drawn, random_orders
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.resolve import resolve

MINI = ("mini-Aircraft", "mini-Caltech101", "mini-CIFAR100")


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_all_orders_that_there_are_come_once(count: int) -> None:
    tasks = [f"task {i}" for i in range(count)]
    found = [drawn(f"random-{k}", tasks) for k in range(1, factorial(count) + 1)]
    assert sorted(found) == sorted(permutations(tasks))  # type: ignore[type-var]
    with pytest.raises(UserError, match=f"there are {factorial(count)} orders; ask for at most"):
        drawn(f"random-{factorial(count) + 1}", tasks)


def test_an_order_hangs_on_its_number_and_the_names_alone() -> None:
    """Not on how a file lists the tasks; these are fixed for all times, since runs are named after them."""
    assert drawn("random-3", MINI) == drawn("random-3", MINI[::-1])
    suite = find_suite("mini")
    one = [task.name.removeprefix("mini-") for task in suite.order("random-1")[1]]
    assert one == [
        "Flowers",
        "Aircraft",
        "Caltech101",
        "SUN397",
        "OxfordPet",
        "DTD",
        "StanfordCars",
        "Food",
        "EuroSAT",
        "CIFAR100",
        "MNIST",
    ]
    places = [suite.order(f"random-{k}")[1][0].name for k in range(1, 111)]
    assert {places.count(task.name) for task in suite.tasks} <= set(range(3, 20)), "all come first"


def test_every_method_learns_in_it() -> None:
    plans = [resolve(Choices(suite="mini", method=m, order="random-2")) for m in ("lora", "zscl")]
    assert plans[0].config.tasks == plans[1].config.tasks != find_suite("mini").orders["I"]
    assert plans[0].config.order == "random-2"
    assert resolve(Choices(suite="mini", method="lora", order="random-3")).config.digest() not in {
        plan.config.digest() for plan in plans
    }


def test_orders_may_list_them() -> None:
    assert orders_in("I,random:3") == ["I", "random-1", "random-2", "random-3"]
    assert orders_in("random-7;mini-DTD,mini-Food") == ["random-7", "mini-DTD,mini-Food"]
    assert random_orders("2") == ["random-1", "random-2"]


@pytest.mark.parametrize("number", ["0", "-1", "1.5", "", "x", "1001", "9" * 30, "\u0663"])
def test_a_number_that_is_none_is_one_line(
    number: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cl_bench(monkeypatch, "run", "--suite", "mini", "--orders", f"random:{number}") == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert f"random:{number}: write how many random orders, from 1 to 1,000" in line


def test_an_order_that_is_none_is_one_line_before_any_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cl_bench(monkeypatch, "run", "--suite", "mini", "--order", "random-0") == 2
    assert "unknown order of suite mini 'random-0'" in capsys.readouterr().err
    with pytest.raises(UserError, match="of the suite's 2 tasks there are 2 orders"):
        drawn("random-3", ["a", "b"])


def test_a_task_of_such_a_name_stays_what_it_is() -> None:
    suite = find_suite("mini")
    task = suite.tasks[0].model_copy(update={"name": "random-1"})
    other = suite.model_copy(update={"tasks": (task, *suite.tasks[1:])})
    assert other.order("random-1") == ("custom", (task,))

"""A suite's tasks and orders are found by the names that people write, and pinned by a digest."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cl_bench.benchmark.config import Backbone
from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.budget_rule import BudgetRule
from cl_bench.datasets.mini.suite import mini_suite
from cl_bench.datasets.mtil.suites import mtil_suite, x_tail_suite
from cl_bench.datasets.suite import Suite
from cl_bench.datasets.task_spec import MtilSource, TaskSpec


def task(name: str, **changes: Any) -> TaskSpec:
    values = {
        "name": name, "source": MtilSource(kind="mtil", dataset="Food"), "classnames": ("a", "b"),
        "templates": ("a photo of a {}.",), "train_size": 130, "test_size": 20,
    }  # fmt: skip
    return TaskSpec(**(values | changes))


def suite(*names: str, **changes: Any) -> Suite:
    values = {
        "name": "toy", "about": "a toy", "tasks": tuple(task(n) for n in names),
        "orders": {"I": names, "II": names[::-1]},
        "backbone": Backbone(name="tiny-clip", weights="random"),
    }  # fmt: skip
    return Suite(**(values | changes))


TOY = suite("toy-Food", "toy-Café", "Other")


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("toy-Food", "toy-Food"), ("Food", "toy-Food"), ("food", "toy-Food"), ("TOY-FOOD", "toy-Food"),
        ("cafe\u0301", "toy-Café"), ("CAFÉ", "toy-Café"), ("other", "Other"), ("toy-other", "Other"),
    ],
)  # fmt: skip
def test_case_prefix_and_ways_to_write_an_accent_do_not_count(written: str, name: str) -> None:
    assert TOY.task(written).name == name


def test_an_unknown_task_is_answered_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"unknown task of suite toy 'Othr': did you mean 'Other'"):
        TOY.task("Othr")


def test_orders_by_name_and_by_tasks() -> None:
    name, tasks = TOY.order("II")
    assert name == "II" and [t.name for t in tasks] == ["Other", "toy-Café", "toy-Food"]
    name, tasks = TOY.order(" other, food ,")
    assert name == "custom" and [t.name for t in tasks] == ["Other", "toy-Food"]
    assert TOY.order("other")[1][0].name == "Other", "one task alone"
    assert TOY.order("food")[1][0].name == "toy-Food", "its prefix may be left out, too"
    with pytest.raises(UserError, match="names a task twice"):
        TOY.order("food,toy-food")
    with pytest.raises(UserError, match="unknown order of suite toy 'III'"):
        TOY.order("III")


def test_published_values_are_found_under_the_suites_names() -> None:
    values = {"Food": 1, "toy-Café": 2, "Other": 3, "MNIST": 4}
    assert TOY.by_task(values) == {"toy-Food": 1, "toy-Café": 2, "Other": 3}


@pytest.mark.parametrize(
    ("names", "changes", "words"),
    [
        (("a", "A"), {}, "two tasks have the names 'a' and 'A'"),
        (("toy-a", "a"), {}, "two tasks have the names 'toy-a' and 'a'"),
        (("a", "b"), {"orders": {"I": ("a", "c")}}, "order I names c: no such task"),
        (("a", "b"), {"orders": {"I": ("a", "a")}}, "order I names the task a twice"),
        (("a", "b"), {"orders": {"a": ("a", "b")}}, "order a has the name of a task"),
    ],
)
def test_names_that_cannot_be_told_apart_are_refused(
    names: tuple[str, ...], changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValidationError, match=words):
        suite(*names, **changes)


def test_the_digest_follows_all_that_results_depend_on_and_nothing_else() -> None:
    base = suite("a", "b")
    same = [
        suite("a", "b", about="other words"), suite("a", "b", budget=BudgetRule(batch_size=8)),
        suite("a", "b", preset="paper", remarks=("seen",)), suite("a", "b", orders={"I": ("b", "a")}),
    ]  # fmt: skip
    assert {s.identify().digest for s in (base, *same)} == {base.identify().digest}
    others = [
        suite("a", "b", name="other"), suite("a", "b", version=2), suite("b", "a"), suite("a"),
        suite("a", "b", backbone=Backbone(name="tiny-clip", weights="random", sha256="0" * 64)),
        suite("a", "b", tasks=(task("a", classnames=("a", "c")), task("b"))),
        suite("a", "b", tasks=(task("a", templates=("{}",)), task("b"))),
        suite("a", "b", tasks=(task("a", train_size=131), task("b"))),
    ]  # fmt: skip
    digests = [s.identify().digest for s in (base, *others)]
    assert len(set(digests)) == len(digests)


def test_the_digests_of_the_built_in_suites_are_those_of_published_results() -> None:
    """Tables and run folders of earlier results name them."""
    found = [make().identify().digest for make in (mini_suite, mtil_suite, x_tail_suite)]
    assert found == ["a915927e7b87", "0fa8c29a0aab", "167e0f47d530"]


@given(st.sampled_from(["I", "II"]))
def test_every_order_of_the_built_in_suites_has_every_task_once(order: str) -> None:
    for made in (mini_suite(), mtil_suite(), x_tail_suite()):
        name, tasks = made.order(order)
        assert name == order
        assert sorted(t.name for t in tasks) == sorted(t.name for t in made.tasks)


def test_another_list_of_prompts_changes_the_prompts_alone() -> None:
    spec = task("a", other_templates={"zscl": ("a picture of a {}.", "a {}.")})
    worded = spec.worded("zscl")
    assert worded.templates == ("a picture of a {}.", "a {}.")
    assert worded.model_copy(update={"templates": spec.templates}) == spec
    assert spec.worded("keeplora") == spec, "a task without such a list keeps its own"

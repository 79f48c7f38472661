"""How long a run trains: the suite's rule, the method's on top, what was typed last of all."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.budget_rule import BudgetRule
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.resolve import Plan, resolve

PUBLISHED = """
[paper.budget]
batch_size = 16
epochs = 20
[paper.budget.epochs_per_task.II]
MNIST = 4
"""
METHOD = """
from cl_bench.benchmark.method import Method
class Own(Method):
    "A method with a published budget."
"""


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    (tmp_path / "own.py").write_text(METHOD)
    (tmp_path / "own.toml").write_text(PUBLISHED)
    return tmp_path / "own.py"


def plan(plugin: Path, *overrides: str, order: str = "II", **choices: object) -> Plan:
    chosen = {"suite": "mini", "method": "own", "plugin": plugin, "device": "cpu", "order": order}
    return resolve(Choices.model_validate({**chosen, "overrides": overrides, **choices}))


def epochs(plan: Plan) -> dict[str, float]:
    """Passes over the training images of every task, by its short name."""
    budget = plan.config.budget
    per_epoch = {t.name: -(-t.train_size // budget.batch_size) for t in plan.tasks}
    return {n.removeprefix("mini-"): budget.steps[n] / per_epoch[n] for n in per_epoch}


def test_steps_count_partial_batches_and_tasks_of_their_own() -> None:
    rule = BudgetRule(batch_size=32, epochs=3)
    assert rule.budget({"a": 64, "b": 65}, {"b": 2}).steps == {"a": 6, "b": 6}
    assert rule.changed({"steps": 7}).budget({"a": 64, "b": 65}, {"b": 2}).steps == {"a": 7, "b": 7}


def test_epochs_take_the_place_of_all_that_the_rule_had() -> None:
    rule = BudgetRule(steps=5, epochs_per_task={"I": {"a": 9}})
    changed = rule.changed({"epochs": 2})
    assert (changed.steps, changed.epochs, changed.epochs_per_task) == (None, 2, {})
    both = rule.changed({"epochs": 2, "epochs_per_task": {"I": {"a": 3}}})
    assert both.epochs_per_task == {"I": {"a": 3}} and both.steps is None
    assert rule == BudgetRule(steps=5, epochs_per_task={"I": {"a": 9}}), "the rule itself stays"
    with pytest.raises(ValidationError, match="steps"):
        rule.changed({"steps": 0})


def test_a_methods_published_budget_goes_before_the_suites(plugin: Path) -> None:
    paper = plan(plugin, preset="paper")
    assert paper.config.budget.batch_size == 16 and paper.config.preset == "paper"
    assert epochs(paper)["MNIST"] == 4 and epochs(paper)["DTD"] == 20
    assert set(epochs(plan(plugin, preset="paper", order="I")).values()) == {20}
    assert set(epochs(plan(plugin)).values()) == {5}, "the suite's own"


def test_what_is_typed_goes_before_both_and_the_last_word_counts(plugin: Path) -> None:
    typed = plan(plugin, "epochs=3", preset="paper")
    assert set(epochs(typed).values()) == {3}, "for the tasks with a number of their own, too"
    assert typed.config.budget.batch_size == 16 and typed.config.preset == "custom"
    assert set(plan(plugin, "epochs=3", "steps=8").config.budget.steps.values()) == {8}
    assert set(epochs(plan(plugin, "steps=8", "epochs=3")).values()) == {3}
    with pytest.raises(
        UserError, match=r"setting steps: .*greater than or equal to 1 \(given: 0\)"
    ):
        plan(plugin, "steps=0")


def test_few_shots_have_steps_of_their_own_unless_some_are_typed(plugin: Path) -> None:
    assert set(plan(plugin, shots=4).config.budget.steps.values()) == {500}
    assert set(plan(plugin, "steps=9", shots=4).config.budget.steps.values()) == {9}
    assert set(epochs(plan(plugin, "epochs=2", shots=4)).values()) == {2}
    assert set(plan(plugin, "batch_size=8", shots=4).config.budget.steps.values()) == {500}


def test_a_published_number_of_epochs_is_not_mixed_with_a_suites_exceptions(
    plugin: Path, tmp_path: Path
) -> None:
    """Sharing `epochs_per_task` would train a task for the suite's number under the paper's name."""
    suite = resolve(Choices(suite="mini", device="cpu")).suite
    rule = suite.budget.changed({"epochs_per_task": {"I": {"mini-DTD": 1}}})
    assert rule.epochs_per_task and not rule.changed({"epochs": 20}).epochs_per_task

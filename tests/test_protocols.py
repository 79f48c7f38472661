"""What is asked: own classes or all, all images or few, files that may be left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from small_run import fresh, small_plan, small_run, small_stream

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.record import RunFolder
from cl_bench.benchmark.records.claims import check_run
from cl_bench.benchmark.run import run
from cl_bench.benchmark.task import LabelSpace
from cl_bench.datasets.catalog import find_suite
from cl_bench.datasets.streams import Shots, build_stream
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.resolve import resolve


def test_a_union_keeps_order_and_namesakes() -> None:
    a = LabelSpace.from_templates(("cat", "dog"), ("a {}", "one {}"))
    b = LabelSpace.from_templates(("dog", "oak"), ("the {}",))
    union = LabelSpace.union([a, b])
    assert union.classnames == ("cat", "dog", "dog", "oak")
    assert union.prompts[1] == ("a dog", "one dog") and union.prompts[2] == ("the dog",)
    assert union.find(b.classnames) == 2 and union.find(("dog",)) == 1
    assert union.find(("oak", "cat")) is None


def test_classes_with_different_numbers_of_prompts_are_encoded_each_by_its_own() -> None:
    method = fresh(small_plan("zero-shot"))
    a = LabelSpace.from_templates(("cat", "dog"), ("a {}", "one {}"))
    b = LabelSpace.from_templates(("oak",), ("the {}",))
    with torch.no_grad():
        both = method.clip.encode_classes(LabelSpace.union([a, b]))
        apart = torch.cat([method.clip.encode_classes(space) for space in (a, b)])
    torch.testing.assert_close(both, apart, atol=1e-5, rtol=0)


def test_x_tail_chooses_among_the_classes_of_all_tasks(tmp_path: Path) -> None:
    own = small_run(small_plan("zero-shot"), tmp_path / "own")
    plan = small_plan("zero-shot", protocol="x-tail")
    assert plan.config.protocol.labels == "all"
    everything = small_run(plan, tmp_path / "all")
    assert check_run(everything.path) == []
    counts = [len(task.classnames) for task in plan.tasks]
    second = plan.tasks[1].name
    targets = everything.targets()[second]
    assert targets.min() == counts[0] and targets.max() == sum(counts) - 1
    assert (own.targets()[second] + counts[0] == targets).all()
    predictions = everything.predictions(0)[plan.tasks[0].name]
    assert predictions.max() >= counts[0], "some are taken for the other task's"
    for a, b in zip(everything.matrix.zero_shot, own.matrix.zero_shot, strict=True):
        assert a <= b, "more classes to choose from never make an image right"


@pytest.mark.parametrize("method", ["keeplora+", "moe-adapters"])
def test_methods_with_parts_of_their_own_per_task_run_under_x_tail(
    method: str, tmp_path: Path
) -> None:
    result = small_run(small_plan(method, protocol="x-tail"), tmp_path / "run")
    assert result.finished and check_run(result.path) == []


def test_keeploras_heads_find_their_classes_in_a_union(tmp_path: Path) -> None:
    plan = small_plan("keeplora+")
    method = fresh(plan)
    run(plan.config, lambda: method, small_stream(plan), RunFolder(tmp_path / "run"), print)
    spaces = [
        LabelSpace.from_templates(task.classnames, task.templates).first_prompts()
        for task in plan.tasks
    ]
    images = method.clip.normaliser()(small_stream(plan).tasks[0].test.take(torch.arange(9)))
    with torch.no_grad():
        apart = torch.cat([method.classifier(space)(images) for space in spaces], dim=1)
        both = method.classifier(LabelSpace.union(spaces))(images)
    torch.testing.assert_close(both, apart, atol=1e-3, rtol=1e-5)


def test_a_bound_that_is_told_the_task_has_no_x_tail() -> None:
    with pytest.raises(UserError, match="individual is told whose classes"):
        small_plan("individual", protocol="x-tail")


def test_few_shot_runs_train_on_few_images_and_keep_which(tmp_path: Path) -> None:
    plan = small_plan("lora", shots=2)
    assert plan.config.protocol.shots == 2
    stream = build_stream("mini", plan.tasks, 32, shots=Shots(2, plan.config.seed))
    for task, spec in zip(stream.tasks, plan.tasks, strict=True):
        counts = np.bincount(task.train.targets.numpy())
        assert counts.tolist() == [2] * len(spec.classnames)
        assert len(task.test) == spec.test_size
    folder = RunFolder(tmp_path / "run")
    result = run(plan.config, lambda: fresh(plan), stream, folder, lambda event: None)
    with np.load(result.path / "shots.npz") as kept:
        for task in stream.tasks:
            assert np.array_equal(kept[task.name], task.train.rows.numpy())  # type: ignore[union-attr]


def test_few_shot_budgets() -> None:
    plan = resolve(Choices(suite="mini", method="lora", shots=5, device="cpu"))
    assert set(plan.config.budget.steps.values()) == {500}
    asked = resolve(
        Choices(suite="mini", method="lora", shots=5, device="cpu", overrides=("steps=7",))
    )
    assert set(asked.config.budget.steps.values()) == {7}
    with pytest.raises(UserError, match="no few-shot budgets"):
        resolve(Choices(suite="mini", method="lora", shots=5, preset="paper"))


def test_the_x_tail_suite_is_the_published_one_in_names_and_orders() -> None:
    suite = find_suite("x-tail")
    assert len(suite.tasks) == 10 and "CIFAR100" not in [t.name for t in suite.tasks]
    assert list(suite.orders["I"]) == sorted(suite.orders["I"], key=str.lower)
    assert suite.orders["II"][0] == "StanfordCars" and suite.orders["II"][-1] == "EuroSAT"
    assert suite.protocol.labels == "all" and suite.protocol.shots == 16
    # the published 1,100 have one class less of Caltech101
    assert sum(len(task.classnames) for task in suite.tasks) == 1101


def test_protocols_differ_in_their_digests() -> None:
    plans = [
        small_plan("zero-shot"),
        small_plan("zero-shot", protocol="x-tail"),
        small_plan("zero-shot", shots=2),
        small_plan("zero-shot", skip_broken=True),
    ]
    assert len({plan.config.digest() for plan in plans}) == 4
    assert "left out" in plans[3].config.caveats[-1]

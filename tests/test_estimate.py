"""What a run will take: work by hand, in proportion to the run, and of this run's own method and settings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_run import small_plan, small_run
from torch import Tensor, nn

from cl_bench.benchmark.estimate import forecast as parts_of_forecast
from cl_bench.benchmark.estimate.foreseen import Forecast
from cl_bench.benchmark.estimate.scale import Growth, of_every_task, representatives
from cl_bench.benchmark.estimate.shapes import ShapesOnly, without_content
from cl_bench.benchmark.method import Classifier, Method
from cl_bench.benchmark.task import Batch, LabelSpace, TrainingTask
from cl_bench.datasets import backbones
from cl_bench.experiment.forecast import forecast
from cl_bench.experiment.resolve import Plan

D, M = 3 * 32 * 32, 8  # numbers of an image of mini, and a width
SLOW = np.array([1.0, 1.0, 1.0, 1.0])  # seconds per unit: nothing is played for real


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """No measurement: one second per unit of work; what was asked of the machine's rates."""
    asked: list[tuple[Any, ...]] = []

    def rates(*how: Any) -> Any:
        asked.append(how)
        return SLOW

    monkeypatch.setattr(parts_of_forecast, "measure_rates", rates)
    return asked


class Products(Method):
    """One product per thing to do."""

    def before_task(self, task: TrainingTask) -> None:
        self.w = nn.Parameter(torch.zeros(D, M))
        for batch in task.epoch():
            _ = batch.images.flatten(1) @ self.w.detach()

    def trainable_parameters(self) -> Iterable[nn.Parameter]:
        return (self.w,)

    def loss(self, batch: Batch) -> Tensor:
        return (batch.images.flatten(1) @ self.w).sum()

    def after_task(self, task: TrainingTask) -> None:
        _ = self.w.detach().T @ self.w.detach()

    def classifier(self, labels: LabelSpace) -> Classifier:
        classes = torch.zeros(D, len(labels.classnames))
        return lambda images: images.flatten(1) @ classes


def plan_of(method: type[Method], **choices: Any) -> Plan:
    plan = small_plan("zero-shot", **choices)
    return replace(plan, entry=replace(plan.entry, load=lambda: method))


def flops(found: Forecast) -> dict[str, float]:
    return {phase: float(work[0]) for phase, work in found.work.items()}


def test_an_operation_is_counted_and_not_computed() -> None:
    a, b = without_content((2, 3), torch.float32), without_content((3, 4), torch.float32)
    with ShapesOnly() as counter:
        product = a @ b
    assert product.shape == (2, 4) and product.untyped_storage().nbytes() == 4
    assert counter.work.tolist() == [2 * 2 * 3 * 4, 0, 4 * (6 + 12 + 8), 1]


def test_whole_numbers_are_computed() -> None:
    with ShapesOnly():
        tokens = torch.tensor([[1, 9, 2], [9, 1, 1]])
        assert tokens.argmax(dim=-1).tolist() == [1, 0]


@pytest.mark.usefixtures("counted")
def test_flops_of_every_phase_by_hand() -> None:
    plan = plan_of(Products, tasks=2)
    found, batch = flops(forecast(plan)), plan.config.budget.batch_size
    train, test = (sum(getattr(t, s) for t in plan.tasks) for s in ("train_size", "test_size"))
    assert found["prepare"] == pytest.approx(train * 2 * D * M)
    assert found["train"] == pytest.approx(2 * 8 * 2 * (batch * 2 * D * M))  # forward, and of w
    assert found["consolidate"] == pytest.approx(2 * 2 * M * D * M)
    classes = len(plan.tasks[0].classnames)
    assert found["evaluate"] == pytest.approx(3 * test * 2 * D * classes)  # zero-shot and two rows


@pytest.mark.usefixtures("counted")
def test_a_method_that_trains_nothing_has_no_training() -> None:
    found = forecast(small_plan("zero-shot"))
    assert found.work["train"].tolist() == [0, 0, 0, 0] and found.seconds["train"] == 0
    assert found.work["evaluate"][0] > 0


@pytest.mark.usefixtures("counted")
def test_costs_are_in_proportion_to_steps_images_and_tasks() -> None:
    def of(*overrides: str, **choices: Any) -> dict[str, float]:
        return flops(forecast(small_plan("keeplora", overrides=overrides, **choices)))

    once, more = of("steps=50", tasks=1), of("steps=100", tasks=1)
    assert more["train"] == pytest.approx(2 * once["train"], rel=1e-3)
    assert {p: more[p] for p in ("prepare", "consolidate", "evaluate")} == pytest.approx(
        {p: once[p] for p in ("prepare", "consolidate", "evaluate")}
    )
    few = of("steps=50", tasks=1, shots=6)  # a tenth of the images
    assert few["train"] == pytest.approx(once["train"]) and few["evaluate"] == once["evaluate"]
    assert few["prepare"] < 0.3 * once["prepare"]
    two, six = (of("steps=50", tasks=t) for t in (2, 6))
    assert six["train"] == pytest.approx(3 * two["train"], rel=0.05)
    assert six["evaluate"] == pytest.approx(7 * 6 / (3 * 2) * two["evaluate"], rel=0.1)


@pytest.mark.usefixtures("counted")
def test_reference_images_are_in_it() -> None:
    plan = small_plan("zscl", overrides=("steps=50",), tasks=1)
    need: Any = "reference images"
    many = {**plan.sources, need: replace(plan.sources[need], count=lambda: 10_512)}
    found = flops(forecast(replace(plan, sources=many)))["train"] - flops(forecast(plan))["train"]
    looked = sum(t.test_size for t in plan.tasks) * 2
    each = flops(forecast(small_plan("zero-shot", tasks=1)))["evaluate"] / looked
    assert found == pytest.approx(10_000 * each, rel=0.1)


@pytest.mark.usefixtures("counted")
def test_inner_loops_are_played_in_part_and_count_in_whole() -> None:
    def of(rounds: int) -> dict[str, float]:
        overrides = (f"selector_steps={rounds}", f"reference_steps={2 * rounds}")
        return flops(forecast(small_plan("moe-adapters", tasks=1, overrides=overrides)))

    short, long = of(300), of(600)
    for phase in ("prepare", "consolidate"):
        assert long[phase] == pytest.approx(2 * short[phase], rel=0.05)
    assert short["prepare"] > 1.5 * short["consolidate"], "of 600 rounds and of 300"
    assert long["train"] == pytest.approx(short["train"])


def test_the_machine_is_asked_about_this_run(counted: list[tuple[Any, ...]]) -> None:
    for precision in ("fp32", "bf16", "fp16"):
        found = forecast(small_plan("lora", precision=precision, tasks=1))
        assert counted[-1][-2:] == ("cpu", precision)
        assert found.checkpoint > 2**20, "a step that is skipped would change no weight"


@pytest.mark.parametrize("method", ["lora", "individual", "sd-lora", "zero-shot"])
@pytest.mark.usefixtures("counted")
def test_the_checkpoint_is_the_methods_own(method: str, tmp_path: Path) -> None:
    plan = small_plan(method)
    found = forecast(plan)
    small_run(plan, tmp_path)
    (file,) = tmp_path.rglob("*.safetensors")
    assert found.checkpoint == pytest.approx(file.stat().st_size, rel=0.1, abs=1_000)
    others = [f for f in tmp_path.rglob("*") if f.is_file() and f != file]
    assert sum(f.stat().st_size for f in others) < found.records


def test_of_what_can_be_played_the_steps_are_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """KeepLoRA's protected directions depend on images; those of mini are the run's own."""
    monkeypatch.setattr(parts_of_forecast, "AFFORDABLE", 1e9)  # however slow this machine is now
    plan = small_plan("keeplora", tasks=1, overrides=("steps=3",))  # fewer than are played
    found = forecast(plan)
    assert found.is_played and found.seconds["train"] > 0 and found.measured > 0
    small_run(plan, tmp_path)
    (file,) = tmp_path.rglob("*.safetensors")
    assert found.checkpoint == pytest.approx(file.stat().st_size, rel=0.1)


@pytest.mark.usefixtures("counted")
def test_a_batch_is_no_larger_than_its_task() -> None:
    def of(batch: int) -> float:
        overrides = (f"batch_size={batch}", "steps=1")
        return flops(forecast(plan_of(Products, tasks=1, overrides=overrides)))["train"]

    assert of(5_000) == of(600) == pytest.approx(2 * 600 * 2 * D * M)


@pytest.mark.usefixtures("counted")
def test_more_trainable_weights_and_images_take_more_memory() -> None:
    def of(method: str, *overrides: str) -> int:
        return forecast(small_plan(method, overrides=overrides, tasks=1)).memory.peak

    weights = 8_780_416 * 4
    assert of("finetune") - of("lora") > 3 * weights * 0.9  # gradient and Adam's two moments
    assert of("lora", "batch_size=64") > of("lora", "batch_size=16")


@pytest.mark.usefixtures("counted")
def test_a_large_model_is_never_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*of: Any) -> None:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr(backbones, "load", load)
    found = forecast(small_plan("keeplora", backbone="ViT-L-14-quickgelu:random", tasks=1))
    assert found.work["train"][0] > 1e13


def test_four_tasks_stand_for_all() -> None:
    prompts = [10, 20, 30, 40, 20, 100]
    which = representatives(prompts)
    assert which[:2] == [0, 1] and len(set(which)) == 4
    known = [{"step": np.array([1000.0])}, *({"step": np.array([5 + 2.0 * prompts[i] + 7 * t])}
             for t, i in list(enumerate(which))[1:])]  # fmt: skip
    every = of_every_task(known, which, prompts)
    wanted = [1000, *(5 + 2 * prompts[t] + 7 * t for t in range(1, 6))]
    assert [float(of["step"][0]) for of in every] == pytest.approx(wanted)


def test_a_size_grows_to_that_of_the_run() -> None:
    growth = Growth.to(full=64_064, small=128, more=128)
    assert (growth.small, growth.larger) == (128, 256)
    more = growth.beyond({"a": np.array([10.0])}, {"a": np.array([12.0])})
    assert more["a"] == pytest.approx((64_064 - 128) / 128 * 2)
    there = Growth.to(full=5, small=128, more=128)
    assert there.small == there.larger == 5

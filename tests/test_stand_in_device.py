"""The stand-in for a GPU sees every fault and names its line, and sees none where there is none."""

from __future__ import annotations

import linecache
from collections.abc import Callable

import pytest
import torch
from disturbing import DEVICE
from stand_in_device import OnDevice, StandIn, host_copy
from torch import Tensor
from two_tasks import NAMES, STEPS, Make, guarded, played

from cl_bench.benchmark.config import Recipe
from cl_bench.benchmark.method import Classifier
from cl_bench.benchmark.reading import Reading
from cl_bench.benchmark.task import Batch, LabelSpace
from cl_bench.methods.lora import LoRA, LoRAConfig


def take_a_number(x: Tensor) -> Tensor:
    return x * x.sum().item()  # FAULT wait


def choose_by_mask(x: Tensor) -> Tensor:
    return x[x > x.mean()].mean()  # FAULT wait


def ask_where(x: Tensor) -> Tensor:
    return x + len(x.nonzero())  # FAULT wait


def branch(x: Tensor) -> Tensor:
    return x if x.isfinite().all() else x * 0  # FAULT wait


def list_values(x: Tensor) -> Tensor:
    return x + sum(x.flatten()[:2].tolist())  # FAULT wait


def bring_to_host(x: Tensor) -> Tensor:
    return x + float(x.cpu().mean())  # FAULT wait


def make_of_a_list(x: Tensor) -> Tensor:
    return x * torch.tensor([1.0, 2.0], device=x.device).sum()  # FAULT wait


def copy_from_anywhere(x: Tensor) -> Tensor:
    return x + torch.ones(3).to(x.device, non_blocking=True).sum()  # FAULT wait


def copy_while_waiting(x: Tensor) -> Tensor:
    return x + torch.ones(3).pin_memory().to(x.device).sum()  # FAULT wait


def choose_by_host(x: Tensor) -> Tensor:
    return x.flatten()[torch.tensor([0, 1])].mean()  # FAULT wait


def copy_in_the_loss(x: Tensor) -> Tensor:
    return x + torch.ones(3).pin_memory().to(x.device, non_blocking=True).sum()  # FAULT copy


def copy_a_number(x: Tensor) -> Tensor:
    return x + torch.tensor(1.0).to(x.device, non_blocking=True)  # FAULT wait


def repeat_as_often_as_it_says(x: Tensor) -> Tensor:
    return x.flatten()[:2].repeat_interleave((x.flatten()[:2] > 0).long()).sum()  # FAULT wait


def compare(x: Tensor) -> Tensor:
    return x * torch.equal(x, x)  # FAULT wait


def count_classes(x: Tensor) -> Tensor:
    return x + len(x.sign().unique())  # FAULT wait


def mix(x: Tensor) -> Tensor:
    return x + torch.ones(1)  # FAULT mix


FAULTS: list[Callable[[Tensor], Tensor]] = [
    take_a_number, choose_by_mask, ask_where, branch, list_values, bring_to_host, make_of_a_list,
    copy_from_anywhere, copy_while_waiting, choose_by_host, copy_in_the_loss, copy_a_number,
    repeat_as_often_as_it_says, compare, count_classes, mix,
]  # fmt: skip


class Faulty(LoRA):
    """Disturbs the device once in every step."""

    fault: Callable[[Tensor], Tensor]

    def loss(self, batch: Batch) -> Tensor:
        return super().loss(batch) + 0 * type(self).fault(batch.images).mean()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.__name__)
def test_a_fault_is_seen_and_its_line_is_named(fault: Callable[[Tensor], Tensor]) -> None:
    method = type("Faulty", (Faulty,), {"fault": staticmethod(fault)})
    stand_in = StandIn()
    with stand_in.playing():
        make: Make = lambda clip, assets: method(clip, LoRAConfig(), assets)  # noqa: E731
        found = guarded(played(make, Recipe(), "fp32", stand_in, names=NAMES[:1]))
    assert len(found) == STEPS and len(set(found)) == 1, "once a step, and nothing else"
    file, line = found[0].where.split(":")
    assert file == "test_stand_in_device.py" and found[0].phase == "loss"
    assert linecache.getline(__file__, int(line)).endswith(f"# FAULT {found[0].kind}\n")
    assert int(line) == fault.__code__.co_firstlineno + 1


class WaitsIn(LoRA):
    """Reads a number in one of the phases."""

    phase = ""

    def _wait(self, phase: str) -> None:
        if phase == self.phase:
            self.clip.model.logit_scale.item()

    def loss(self, batch: Batch) -> Tensor:
        loss = super().loss(batch)
        loss.register_hook(lambda gradient: self._wait("step"))  # in the backward pass
        return loss

    def after_backward(self) -> None:
        self._wait("after_backward")

    def after_step(self, step: int) -> None:
        self._wait("after_step")

    def classifier(self, labels: LabelSpace) -> Classifier:
        classify = super().classifier(labels)

        def waiting(images: Tensor) -> Tensor:
            self._wait("classifier")
            return classify(images)

        return waiting


@pytest.mark.parametrize("phase", ["step", "after_backward", "after_step", "classifier"])
def test_every_phase_is_guarded(phase: str) -> None:
    method = type("WaitsIn", (WaitsIn,), {"phase": phase})
    stand_in = StandIn()
    with stand_in.playing():
        make: Make = lambda clip, assets: method(clip, LoRAConfig(), assets)  # noqa: E731
        found = guarded(played(make, Recipe(), "fp32", stand_in, names=NAMES[:1]))
    assert {(seen.kind, seen.phase) for seen in found} == {("wait", phase)}


def test_scalars_and_masks_that_are_filled_disturb_nobody() -> None:
    """So the test does not forbid what a GPU can do by itself."""
    stand_in = StandIn()
    with stand_in.playing():
        x = torch.ones(4, device=DEVICE)
        y = x * torch.tensor(2.0)  # a number of the host's goes along with the launch
        y[y > 1] = 0.0
        y[torch.arange(2, device=DEVICE)] = x[:2]
        total = y.cumsum(0).clone().masked_fill(x > 2, 3)
    assert isinstance(total, OnDevice) and total.inner.tolist() == [1.0, 2.0, 2.0, 2.0]
    assert not stand_in.seen


def test_a_reading_holds_anything_until_it_has_arrived() -> None:
    stand_in = StandIn()
    with stand_in.playing():
        x = torch.arange(3, device=DEVICE)
        reading = Reading(x)
        x.zero_()
        assert [seen.kind for seen in stand_in.seen] == ["copy"]
        assert reading._copy.tolist() != [0, 1, 2], "else no test could find a missing event"
        assert reading.values() == [0, 1, 2]
        assert [seen.kind for seen in stand_in.seen] == ["copy", "wait"]
    assert Reading(torch.arange(3)).values() == [0, 1, 2]


def test_what_is_on_the_device_comes_back_as_it_is() -> None:
    with StandIn().playing():
        x = torch.arange(4.0).to(DEVICE)
        assert torch.equal(host_copy({"x": x})["x"], torch.arange(4.0))

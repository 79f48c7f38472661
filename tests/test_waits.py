"""No method lets the host wait for the device inside a step or while it classifies a batch.

Proven without a GPU: two tasks are played on ``stand_in_device``, whose numbers must be those of the
host. What is left is listed here, with its reason.
"""

from __future__ import annotations

import linecache
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch
from stand_in_device import DEVICE, HOST, OnDevice, Seen, StandIn, host_copy
from torch import Tensor
from torch.utils._pytree import tree_leaves
from two_tasks import STEPS, Make, Played, played

from cl_bench.benchmark import evaluate
from cl_bench.benchmark.config import Recipe
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.pixels import Pixels
from cl_bench.benchmark.reading import Reading
from cl_bench.benchmark.task import Batch
from cl_bench.methods.catalog import BUILT_IN, find_method
from cl_bench.methods.lora import LoRA, LoRAConfig

GUARDED = {"step", "loss", "after_backward", "after_step", "classifier"}
# A batch is handed over in a step, and by three methods in the loss: from pinned memory, unwaited for.
HANDED_OVER = ("hand_over.py", "pixels.py")
# Whom a batch chose, read while the device computes the gradients: the optimizer needs to know whom to
# leave as they are. To step all experts and restore those costs more (tests/bench/expert_dispatch.py).
KNOWN = {
    "moe-adapters": {
        ("reading.py", "copy", "loss"): 2 * STEPS,
        ("reading.py", "wait", "after_backward"): 2 * STEPS,
    }
}
SMALL: dict[str, dict[str, Any]] = {
    "moe-adapters": {
        "experts": 5, "bottleneck": 4, "selector_steps": 3, "reference_steps": 3, "threshold": 1.0,
    },
}  # fmt: skip
CODE_PATHS: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in BUILT_IN),
    ("keeplora", {"variant": "paper"}),
    ("moe-adapters", {"routing": "batch", "slots": 3}),
    ("sd-lora", {"variant": "paper"}),
    ("o-lora", {"penalty": "squared", "shrinkage": 0.1}),
    ("zscl", {"ensemble_every": 1, "wise_alpha": 0.5}),
]
OTHER_PLACES = [
    ("keeplora", "fp16", True),
    ("lora", "fp16", True),
    ("sd-lora", "fp16", True),
    ("moe-adapters", "bf16", True),
    ("finetune", "bf16", False),
    ("zscl", "fp32", False),
    ("lwf", "fp32", False),
    ("joint", "fp32", False),
]


def known(name: str, **more: Any) -> tuple[Make, Recipe]:
    """A method of the catalogue with small settings, and its recipe."""
    entry = find_method(name)
    settings = entry.defaults("config", "fair", "") | SMALL.get(name, {}) | more
    config, method = entry.Config.model_validate(settings), entry.method
    recipe = Recipe.model_validate(entry.defaults("recipe", "fair", ""))
    return lambda clip, assets: method(clip, config, assets), recipe


def on_device(make: Make, recipe: Recipe, precision: str = "fp32", resident: bool = True) -> Played:
    stand_in = StandIn()
    with stand_in.playing():
        return played(make, recipe, precision, stand_in, resident)


def guarded(of: Played) -> list[Seen]:
    """What disturbs the device in a guarded phase, without what is handed over."""
    return [
        seen
        for seen in of.seen
        if seen.phase in GUARDED
        and not (seen.kind == "copy" and seen.where.startswith(HANDED_OVER))
    ]


def undisturbed(name: str, precision: str = "fp32", resident: bool = True, **more: Any) -> Played:
    """Play on the device and on the host; raise where a number differs or the device is disturbed."""
    make, recipe = known(name, **more)
    there, here = (
        on_device(make, recipe, precision, resident),
        played(make, recipe, precision, None),
    )
    leaves = (tree_leaves([p.losses, p.logits, dict(p.state)]) for p in (there, here))
    rounding = 1e-6 if recipe.optimizer == "sgd" else 0.0  # fused on a GPU alone
    for a, b in zip(*leaves, strict=True):
        if isinstance(a, Tensor | float):
            torch.testing.assert_close(a, b, atol=rounding, rtol=rounding)
        else:
            assert a == b
    disturbances = guarded(there)
    found = Counter((seen.where.split(":")[0], seen.kind, seen.phase) for seen in disturbances)
    assert found == KNOWN.get(name, {}), "\n".join(map(str, disturbances))
    return there


@pytest.mark.parametrize(("name", "more"), CODE_PATHS)
def test_a_step_and_a_classifier_wait_for_nothing(name: str, more: dict[str, Any]) -> None:
    there = undisturbed(name, **more)
    in_steps = [phase for phase in there.tokenised if phase in GUARDED]
    assert len(in_steps) <= 2, "once for a task, not once for a step"


@pytest.mark.parametrize(("name", "precision", "resident"), OTHER_PLACES)
def test_nor_in_16_bits_or_with_images_on_the_host(
    name: str, precision: str, resident: bool
) -> None:
    undisturbed(name, precision, resident)


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


def mix(x: Tensor) -> Tensor:
    return x + torch.ones(1)  # FAULT mix


FAULTS: list[Callable[[Tensor], Tensor]] = [
    take_a_number, choose_by_mask, ask_where, branch, list_values, bring_to_host, make_of_a_list,
    copy_from_anywhere, copy_while_waiting, choose_by_host, copy_in_the_loss, mix,
]  # fmt: skip


class Faulty(LoRA):
    """Disturbs the device once in every step."""

    fault: Callable[[Tensor], Tensor]

    def loss(self, batch: Batch) -> Tensor:
        return super().loss(batch) + 0 * type(self).fault(batch.images).mean()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.__name__)
def test_a_fault_is_seen_and_its_line_is_named(fault: Callable[[Tensor], Tensor]) -> None:
    method = type("Faulty", (Faulty,), {"fault": staticmethod(fault)})
    there = on_device(lambda clip, assets: method(clip, LoRAConfig(), assets), Recipe())
    found = guarded(there)
    assert len(found) == 2 * STEPS and len(set(found)) == 1, "once a step, and nothing else"
    file, line = found[0].where.split(":")
    assert file == "test_waits.py" and found[0].phase == "loss"
    assert linecache.getline(__file__, int(line)).endswith(f"# FAULT {found[0].kind}\n")
    assert int(line) == fault.__code__.co_firstlineno + 1


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


@pytest.mark.parametrize("resident", [True, False])
@pytest.mark.parametrize("batch", [3, 9])
def test_evaluation_waits_once_a_data_set_and_not_once_a_batch(
    batch: int, resident: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluate, "EVALUATION_BATCH", batch)
    pixels = torch.randint(256, (9, 3, 8, 8), dtype=torch.uint8)
    stand_in = StandIn()
    with stand_in.playing():
        mean = torch.zeros(3, 1, 1, device=DEVICE)
        images = Images(OnDevice(pixels) if resident else pixels, torch.zeros(9).long())
        classify = lambda x: x.flatten(1)[:, :5]  # noqa: E731
        found = evaluate.predict(classify, images, Pixels(8, mean, mean + 1))
    waits = [seen for seen in stand_in.seen if seen.kind != "copy"]
    assert [seen.what for seen in waits] == ["_local_scalar_dense", "a copy from the device"]
    assert found.device == HOST
    assert torch.equal(found, pixels.flatten(1)[:, :5].float().argmax(-1))


def test_what_is_on_the_device_comes_back_as_it_is() -> None:
    with StandIn().playing():
        x = torch.arange(4.0).to(DEVICE)
        assert torch.equal(host_copy({"x": x})["x"], torch.arange(4.0))

"""MoE-Adapters over two tasks on twelve blocks, against recorded numbers of the published code (c3).

Tolerances are those recorded with the goldens.
"""

from __future__ import annotations

from functools import cache

import pytest
import torch
from golden_clip import images
from moe_golden import EXPERT_NAMES, FACTS, GOLD, LABELS, TOWERS, loaded, replay
from torch import Tensor

from cl_bench.benchmark.config import Recipe
from cl_bench.benchmark.optimizer import make_optimizer
from cl_bench.benchmark.task import Batch
from cl_bench.methods.moe_adapters import MoEAdapters


@cache
def two_tasks() -> dict[str, dict[str, Tensor]]:
    """c3: two tasks in a row, the recorded experts frozen between them."""
    found = {}
    method = loaded(GOLD["c3/T1/tokens"], blocks=FACTS["c3"]["layers"])
    for router, task in enumerate(("T1", "T2")):
        found[task] = learn(method, task, router)
    return found


def learn(method: MoEAdapters, task: str, router: int) -> dict[str, Tensor]:
    steps, tokens = FACTS["c3"]["steps"], GOLD.get(f"c3/{task}/tokens", GOLD["c3/T1/tokens"])
    method.clip.tokenizer = lambda prompts: tokens.long()
    found: dict[str, Tensor] = {}
    before = state(method, router)
    for experts in method._all():
        experts.begin(router)
    recipe = Recipe(
        lr=FACTS["lr"], weight_decay=0, schedule="warmup_cosine",
        warmup=FACTS["c3"]["warmup"] / steps,
    )  # fmt: skip
    optimizer, schedule = make_optimizer(
        list(method.trainable_parameters()), recipe, recipe.lr, steps, steps
    )
    assert schedule is not None
    pixels, targets = images(GOLD[f"c3/{task}/images"]), GOLD[f"c3/{task}/labels"].long()
    batches = torch.arange(len(pixels)).split(FACTS["c3"]["batch_size"])
    losses = []
    for i in range(steps):
        replay_step(method, task, i)
        rows = batches[i % len(batches)]
        optimizer.zero_grad(set_to_none=True)
        loss = method.loss(Batch(pixels[rows], targets[rows], LABELS, rows))
        losses.append(loss.item())
        loss.backward()
        optimizer.step()
        schedule.step()
    found["loss"] = torch.tensor(losses, dtype=torch.float64)
    after = state(method, router)
    for key, tensor in after.items():
        found[f"final/{key}"] = tensor
        if not key.split("/")[1].startswith("w_"):
            found[f"shift_norm/{key}"] = (tensor - before[key]).flatten(2).norm(dim=-1)
    return found | frozen_after(method, task)


def replay_step(method: MoEAdapters, task: str, step: int) -> None:
    for tower, key in TOWERS.items():
        for block, experts in enumerate(method.experts[key]):
            replay(
                experts,
                GOLD[f"c3/{task}/noise/{tower}/{step}"][block],
                GOLD[f"c3/{task}/keep_experts/{tower}/{step}"][block].long(),
                GOLD[f"c3/{task}/keep/{tower}/{step}"][block],
            )


def frozen_after(method: MoEAdapters, task: str) -> dict[str, Tensor]:
    """End the task; what would be frozen, and what the record says, which is then in force."""
    found = {}
    for tower, key in TOWERS.items():
        found[f"counts/{tower}"] = torch.stack([e.counts.clone() for e in method.experts[key]])
        listed = FACTS["c3"][task]["frozen_after_this_task"][tower]
        known = [e.frozen.clone() for e in method.experts[key]]
        for experts in method.experts[key]:
            experts.end(2)
        found[f"frozen/{tower}"] = torch.stack([e.frozen.clone() for e in method.experts[key]])
        for experts, earlier, chosen in zip(method.experts[key], known, listed, strict=True):
            experts.frozen.copy_(earlier)
            experts.frozen[chosen] = True
        found[f"listed/{tower}"] = torch.stack([e.frozen.clone() for e in method.experts[key]])
    return found


def state(method: MoEAdapters, router: int) -> dict[str, Tensor]:
    """Experts and the given router, stacked over blocks."""
    found = {}
    for tower, key in TOWERS.items():
        for name in EXPERT_NAMES:
            of = [getattr(e, name).detach().clone() for e in method.experts[key]]
            found[f"{tower}/{name}"] = torch.stack(of)
        for name in ("w_gate", "w_noise"):
            of = [getattr(e, name)[router].detach().clone() for e in method.experts[key]]
            found[f"{tower}/{name}"] = torch.stack(of)
    return found


@pytest.mark.parametrize("task", ["T1", "T2"])
class TestTwoTasks:
    """c3: what is trained, counted and frozen."""

    def test_losses(self, task: str) -> None:
        gap = (two_tasks()[task]["loss"] - GOLD[f"c3/{task}/loss"]).abs()
        assert gap.max() < 3e-3
        assert task == "T2" or gap[0] < 1e-4

    def test_weights(self, task: str) -> None:
        found = two_tasks()[task]
        compared = 0
        for kind, limit in (("final", 6e-3), ("shift_norm", 4e-3)):
            for key, expected in GOLD.items():
                if key.startswith(f"c3/{task}/{kind}/"):
                    ours = found[key.removeprefix(f"c3/{task}/")]
                    assert (ours - expected).abs().max() < limit, key
                    compared += 1
        assert compared == 16

    def test_counts_and_frozen_experts(self, task: str) -> None:
        found, ties = (
            two_tasks()[task],
            FACTS["c3"][task]["tie_between_2nd_and_3rd_count_in_blocks"],
        )
        for tower in TOWERS:
            assert torch.equal(found[f"counts/{tower}"], GOLD[f"c3/{task}/counts/{tower}"].long())
            for block, (ours, listed) in enumerate(
                zip(found[f"frozen/{tower}"], found[f"listed/{tower}"], strict=True)
            ):
                assert torch.equal(ours, listed) or block in ties[tower]

    def test_frozen_experts_rest(self, task: str) -> None:
        if task == "T2":
            first, second = two_tasks()["T1"], two_tasks()["T2"]
            for tower in TOWERS:
                frozen = first[f"listed/{tower}"]
                assert frozen.any()
                for name in EXPERT_NAMES:
                    assert (second[f"shift_norm/{tower}/{name}"][frozen] == 0).all()

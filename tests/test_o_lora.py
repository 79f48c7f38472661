"""O-LoRA's two penalties against their definitions."""

from __future__ import annotations

import pytest
import torch
from golden_clip import golden_clip
from toy_task import stirred, toy

from cl_bench.benchmark.assets import Assets
from cl_bench.methods.o_lora import OLoRA


def test_o_lora_penalises_overlap_with_earlier_factors() -> None:
    method = OLoRA(golden_clip(), OLoRA.Config(rank=2, orthogonality=0.5), Assets())
    torch.manual_seed(0)
    first, second = (toy(i, method.clip.normaliser()) for i in range(2))
    method.before_task(first)
    batch = next(first.epoch())
    plain = method.clip.cross_entropy(batch)
    assert torch.equal(method.loss(batch), plain), "nothing to avoid in the first task"
    stirred(method)
    A_first = [u.A.detach().clone() for u in method.updates]
    method.after_task(first)
    method.before_task(second)
    overlap = sum(
        (A.mT @ u.A).abs().sum().item() for A, u in zip(A_first, method.updates, strict=True)
    )
    added = method.loss(batch) - method.clip.cross_entropy(batch)
    assert added.item() == pytest.approx(0.5 * overlap, rel=1e-4)
    stirred(method)
    method.after_task(second)
    assert all(A.shape[-1] == 4 for A in method.A_prev), "the rank grows by r a task"


def test_o_lora_squared_penalty_and_shrinkage() -> None:
    config = OLoRA.Config(rank=2, orthogonality=2.0, shrinkage=0.1, penalty="squared")
    method = OLoRA(golden_clip(), config, Assets())
    task = toy(0, method.clip.normaliser())
    for _ in range(2):
        method.before_task(task)
        stirred(method)
        if not method.A_prev:
            method.after_task(task)
    batch = next(task.epoch())
    pairs = list(zip(method.A_prev, method.updates, strict=True))
    squares = sum((A.mT @ u.A).square().sum().item() for A, u in pairs)
    norms = sum(f[i].norm().item() for _, u in pairs for f in (u.A, u.B) for i in range(4))
    added = method.loss(batch) - method.clip.cross_entropy(batch)
    assert added.item() == pytest.approx(2.0 * squares + 0.1 * norms, rel=1e-4)

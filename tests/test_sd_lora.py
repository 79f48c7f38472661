"""SD-LoRA: what is evaluated is what was trained, and old directions stay."""

from __future__ import annotations

import pytest
import torch
from golden_clip import golden_clip
from toy_task import features, stirred, toy

from cl_bench.benchmark.assets import Assets
from cl_bench.methods.sd_lora import SDLoRA


@pytest.mark.parametrize("variant", ["released", "paper"])
def test_sd_lora_evaluates_what_was_trained_and_carries_on(variant: str) -> None:
    method = SDLoRA(golden_clip(), SDLoRA.Config(rank=2, variant=variant), Assets())  # type: ignore[arg-type]
    task = toy(0, method.clip.normaliser())
    batch = next(task.epoch())
    torch.manual_seed(0)
    for t in range(3):
        before = features(method, batch)
        method.before_task(task)
        jumped = (features(method, batch) - before).abs().max().item()
        assert (jumped > 1e-4) == (variant == "released" and t > 0)
        stirred(method, 0.3)
        trained = features(method, batch)
        method.after_task(task)
        assert (features(method, batch) - trained).abs().max() < 1e-5
        assert (trained - before).abs().max() > 1e-3
    columns = 1 if variant == "released" else 4 * 6
    assert method.alpha_old.shape == (3, columns)
    norms = [A.norm(dim=(-2, -1)) for A in method.A_old]
    torch.testing.assert_close(norms[0], torch.full((4,), 3**0.5))  # three unit directions


def test_sd_lora_trains_old_magnitudes_and_no_old_direction() -> None:
    method = SDLoRA(golden_clip(), SDLoRA.Config(rank=2), Assets())
    task = toy(0, method.clip.normaliser())
    method.before_task(task)
    stirred(method)
    method.after_task(task)
    method.before_task(task)
    stirred(method)
    method.loss(next(task.epoch())).backward()
    assert method.alpha_old.grad is not None and method.alpha_old.grad.any()
    assert method.alpha_new.grad is not None
    assert not any(t.requires_grad for t in (*method.A_old, *method.B_old))

"""The fused optimizers compute what the plain ones do, group by group, over a schedule."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cl_bench.benchmark.config import Recipe
from cl_bench.benchmark.method import ParameterGroup
from cl_bench.benchmark.optimizer import make_optimizer

STEPS = 12
SHAPES = ((7, 5), (1,), (33,), (2, 3, 4))
PLAIN: dict[str, Any] = {
    "adamw": lambda groups: torch.optim.AdamW(groups, betas=(0.9, 0.95), foreach=False),
    "adam": lambda groups: torch.optim.Adam(groups, betas=(0.9, 0.95), foreach=False),
    "sgd": lambda groups: torch.optim.SGD(groups, momentum=0.9, foreach=False),
}


def start(dtype: torch.dtype) -> list[nn.Parameter]:
    draw = torch.Generator().manual_seed(0)
    return [
        nn.Parameter(torch.randn(s, generator=draw, dtype=torch.float64).to(dtype)) for s in SHAPES
    ]


def gradients(step: int) -> list[Tensor | None]:
    """Of very different sizes; a parameter has none in every third step, as an expert at rest."""
    draw = torch.Generator().manual_seed(100 + step)
    drawn = [10.0 ** (i - 3) * torch.randn(s, generator=draw) for i, s in enumerate(SHAPES)]
    return [None if step % 3 == 1 and i == 2 else g for i, g in enumerate(drawn)]


def stepped(optimizer: torch.optim.Optimizer, ps: list[nn.Parameter], step: int) -> None:
    for p, g in zip(ps, gradients(step), strict=True):
        p.grad = None if g is None else g.to(p.dtype)
    optimizer.step()


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
@pytest.mark.parametrize(
    ("dtype", "within"), [(torch.float32, 2e-6), (torch.float64, 1e-13)], ids=str
)
def test_fused_equals_plain(name: Any, dtype: torch.dtype, within: float, decay: float) -> None:
    recipe = Recipe(
        lr=0.05,
        weight_decay=decay,
        schedule="warmup_cosine",
        warmup=0.2,
        optimizer=name,
        beta2=0.95,
    )
    ours, theirs = start(dtype), start(dtype)
    grouped = [ours[0], ParameterGroup(ours[1:3], lr_scale=3.0, weight_decay=0.5), ours[3]]
    optimizer, schedule = make_optimizer(grouped, recipe, recipe.lr, STEPS, STEPS)
    assert schedule is not None
    if name != "sgd":  # of which torch's plain one is as fast on a processor
        assert all(group["fused"] for group in optimizer.param_groups)
    plain = PLAIN[name](
        [
            {"params": [theirs[0], theirs[3]], "weight_decay": decay},
            {"params": theirs[1:3], "weight_decay": 0.5},
        ]
    )
    for step in range(STEPS):
        for group, of in zip(plain.param_groups, optimizer.param_groups, strict=True):
            group["lr"] = of["lr"]
        stepped(optimizer, ours, step)
        stepped(plain, theirs, step)
        schedule.step()
    for a, b, before in zip(ours, theirs, start(dtype), strict=True):
        torch.testing.assert_close(a, b, rtol=within, atol=within)
        assert (a - before).abs().max() > 1e-4, "it moved"


def test_sgd_as_a_gpu_has_it_equals_plain() -> None:
    """Fused, with momenta that begin at zero; a step without a gradient leaves them alone."""
    ours, theirs = start(torch.float64), start(torch.float64)
    fused = torch.optim.SGD(ours, lr=0.05, momentum=0.9, weight_decay=0.1, fused=True)
    for p in ours:
        fused.state[p]["momentum_buffer"] = torch.zeros_like(p)
    plain = torch.optim.SGD(theirs, lr=0.05, momentum=0.9, weight_decay=0.1, foreach=False)
    for step in range(STEPS):
        stepped(fused, ours, step)
        stepped(plain, theirs, step)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-13, atol=1e-13)

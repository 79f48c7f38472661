"""MoE-Adapters against numbers recorded from the published code, with its random draws replayed.

c1: a forward pass; c2: one training step. Tolerances are those recorded with the goldens.
"""

from __future__ import annotations

from functools import cache

import pytest
import torch
from golden_clip import golden_clip, images, relative
from moe_golden import EXPERT_NAMES, FACTS, GOLD, LABELS, TOWERS, loaded, replay, watch
from torch import Tensor, nn

from cl_bench.benchmark.config import Recipe
from cl_bench.benchmark.optimizer import make_optimizer
from cl_bench.benchmark.task import Batch
from cl_bench.methods.moe_adapters import MoEAdapters


class TestForward:
    """c1: features, gates and counts of an evaluation pass under a given router."""

    @pytest.fixture
    def seen(self) -> dict[str, list[dict[str, Tensor]]]:
        method = loaded(GOLD["c1/tokens"])
        seen = {tower: [watch(e) for e in method.experts[k]] for tower, k in TOWERS.items()}
        method._use(FACTS["c1"]["router"])
        with torch.no_grad():
            features = {
                "image": method.clip.model.visual(images(GOLD["c1/images"])),
                "text": method.clip.encode_text(GOLD["c1/tokens"].long()),
            }
        for tower, feature in features.items():
            seen[tower].append({"features": feature})
        return seen

    @pytest.mark.parametrize("tower", TOWERS)
    def test_matches(self, tower: str, seen: dict[str, list[dict[str, Tensor]]]) -> None:
        *blocks, last = seen[tower]
        assert (last["features"] - GOLD[f"c1/{tower}_features"]).abs().max() < 2e-5
        for i, block in enumerate(blocks):
            for key, limit in (("router_input", 2e-5), ("gates", 5e-6)):
                assert (block[key] - GOLD[f"c1/{key}/{tower}"][i]).abs().max() < limit
            assert torch.equal((block["gates"] > 0).sum(0), GOLD[f"c1/counts/{tower}"][i].long())

    def test_no_router_is_the_untouched_clip(self) -> None:
        method, plain = loaded(GOLD["c1/tokens"]), golden_clip()
        x = images(GOLD["c1/images"])
        assert torch.equal(method.clip.encode_images(x), plain.encode_images(x))
        method._use(0)
        assert not torch.equal(method.clip.encode_images(x), plain.encode_images(x))


@cache
def one_step() -> tuple[MoEAdapters, dict[str, Tensor], dict[str, list[dict[str, Tensor]]]]:
    """c2: one training step; returns the method after AdamW and the gradients before."""
    method = loaded(GOLD["c1/tokens"])
    seen: dict[str, list[dict[str, Tensor]]] = {tower: [] for tower in TOWERS}
    for tower, key in TOWERS.items():
        for i, experts in enumerate(method.experts[key]):
            replay(
                experts,
                GOLD[f"c2/noise/{tower}"][i],
                GOLD[f"c2/keep_experts/{tower}"][i].long(),
                GOLD[f"c2/keep/{tower}"][i],
            )
            seen[tower].append(watch(experts))
            experts.begin(FACTS["c2"]["router"])
    parameters = list(method.trainable_parameters())
    recipe = Recipe(lr=FACTS["lr"], weight_decay=0, schedule="constant")
    optimizer, _ = make_optimizer(parameters, recipe, recipe.lr, 1, 1)
    batch = Batch(
        images(GOLD["c1/images"]),
        GOLD["c2/labels"].long(),
        LABELS,
        torch.arange(len(GOLD["c2/labels"])),
    )
    loss = method.loss(batch)
    loss.backward()
    router = FACTS["c2"]["router"]
    found = {"loss": loss.detach()}
    for tower, key in TOWERS.items():
        for name in EXPERT_NAMES:
            gradients = [
                torch.stack([gradient(p) for p in e._windows[name]]) for e in method.experts[key]
            ]
            found[f"{tower}/{name}"] = torch.stack(gradients)
        for name in ("w_gate", "w_noise"):
            gradients = [gradient(getattr(e, name)[router]) for e in method.experts[key]]
            found[f"{tower}/{name}"] = torch.stack(gradients)
    optimizer.step()
    return method, found, seen


def gradient(parameter: nn.Parameter) -> Tensor:
    """Zero where the step did not touch the parameter."""
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad.clone()


class TestStep:
    """c2: gates, loss, gradients and the weights after one AdamW step."""

    def test_loss(self) -> None:
        assert abs(one_step()[1]["loss"].item() - FACTS["c2"]["loss"]) < 3e-5

    @pytest.mark.parametrize("tower", TOWERS)
    def test_gates_and_gradients(self, tower: str) -> None:
        _, found, seen = one_step()
        for i, block in enumerate(seen[tower]):
            assert (block["gates"] - GOLD[f"c2/gates/{tower}"][i]).abs().max() < 5e-6
        for name in ("down_bias", "up_bias", "w_gate", "w_noise"):
            assert relative(found[f"{tower}/{name}"], GOLD[f"c2/grad/{tower}/{name}"]) < 1e-4
        for name in EXPERT_NAMES:
            norms = found[f"{tower}/{name}"].flatten(2).norm(dim=-1)  # [3, E]
            assert relative(norms, GOLD[f"c2/grad_norm/{tower}/{name}"]) < 1e-4
        for name in ("down_weight", "up_weight"):
            ours = found[f"{tower}/{name}"][1, 5]
            assert relative(ours, GOLD[f"c2/grad_block1/{tower}/{name}"]) < 1e-4

    @pytest.mark.parametrize("tower", TOWERS)
    def test_after_the_optimizer(self, tower: str) -> None:
        method, router = one_step()[0], FACTS["c2"]["router"]
        for name in ("down_bias", "up_bias", "w_gate", "w_noise"):
            of = [getattr(e, name) for e in method.experts[TOWERS[tower]]]
            ours = torch.stack([p[router] if name.startswith("w") else p for p in of]).detach()
            assert (ours - GOLD[f"c2/after/{tower}/{name}"]).abs().max() < 1e-3

    def test_nothing_else_trains(self) -> None:
        method, _, _ = one_step()
        assert all(p.grad is None for p in method.clip.model.visual.conv1.parameters())
        others = [p for e in method._all() for r, p in enumerate(e.w_gate) if r != 2]
        assert all(p.grad is None for p in others)

"""The expert mixture against a loop over experts, and what the auto-selector decides."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from small_run import fresh, small_plan, small_stream
from torch import Tensor

from cl_bench.benchmark.randomness import seed_everything
from cl_bench.benchmark.task import TrainingTask
from cl_bench.methods.auto_selector import AutoSelector, route
from cl_bench.methods.experts import NO_ROUTER, OUTPUT_SCALE, Experts
from cl_bench.methods.moe_adapters import MoEAdapters, MoEAdaptersConfig

E, M, D, K, B, L = 7, 5, 12, 2, 9, 4


def mixture(top_k: int = K) -> Experts:
    torch.manual_seed(0)
    experts = Experts(D, E, M, top_k, dropout=0.0, device=torch.device("cpu"))
    for whole in (experts.down_weight, experts.down_bias, experts.up_weight, experts.up_bias):
        whole.normal_()
    for _ in range(2):
        experts.add_router()
        for weight in (experts.w_gate[-1], experts.w_noise[-1]):
            weight.data.normal_()
    return experts


def loop(experts: Experts, h: Tensor, noise: Tensor | None, router: int) -> Tensor:
    """One expert after the other on the samples that chose it, as published."""
    r = h[:, 0]
    z = r @ experts.w_gate[router]
    if noise is not None:
        z = z + noise * (F.softplus(r @ experts.w_noise[router]) + 0.01)
    top, chosen = z.topk(experts.top_k, dim=-1)
    g = torch.zeros_like(z).scatter(1, chosen, top.softmax(dim=-1))
    y = torch.zeros_like(h)
    for e in range(E):
        (rows,) = g[:, e].nonzero(as_tuple=True)
        a = F.linear(h[rows], window(experts, "down_weight", e), window(experts, "down_bias", e))
        out = F.linear(a.relu(), window(experts, "up_weight", e), window(experts, "up_bias", e))
        y = y.index_add(0, rows, g[rows, e, None, None] * OUTPUT_SCALE * out)
    return y


def window(experts: Experts, name: str, e: int) -> Tensor:
    return experts._windows[name][e]


@pytest.mark.parametrize("top_k", [1, 2, 3])
def test_dispatch_equals_a_loop_over_experts(top_k: int) -> None:
    experts = mixture(top_k)
    h = torch.randn(B, L, D, requires_grad=True)
    noise = torch.randn(B, E)
    experts.begin(1)
    experts.draw_noise = lambda like: noise  # type: ignore[method-assign]
    trained = experts.trained()
    ours, theirs = experts(h), loop(experts, h, noise, 1)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
    chosen = experts.chosen_now.tolist()
    assert sum(chosen) == B * top_k
    experts.trains_now = [n > 0 for n in chosen]
    weight = torch.randn_like(ours)
    fast = torch.autograd.grad((ours * weight).sum(), [h, *trained], allow_unused=True)
    slow = torch.autograd.grad((theirs * weight).sum(), [h, *trained], allow_unused=True)
    for a, b in zip(fast, slow, strict=True):
        if a is None:
            assert b is None or not b.any()
        else:
            assert b is not None
            torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)


def test_evaluation_draws_nothing_and_counts_nothing() -> None:
    experts, h = mixture(), torch.randn(B, L, D)
    experts.router = 0
    torch.testing.assert_close(experts(h), loop(experts, h, None, 0), atol=1e-5, rtol=1e-5)
    assert torch.equal(experts(h), experts(h)) and not experts.counts.any()


def test_every_sample_of_a_batch_can_have_its_own_router() -> None:
    experts, h = mixture(), torch.randn(B, L, D)
    alone = {}
    for experts.router in (0, 1):
        alone[experts.router] = experts(h)
    experts.router = NO_ROUTER
    experts.routers = torch.tensor([0, 1, -1, 1, -1, 0, 0, 1, -1])
    together = experts(h)
    for i, router in enumerate(experts.routers.tolist()):
        expected = torch.zeros(L, D) if router == NO_ROUTER else alone[router][i]
        torch.testing.assert_close(together[i], expected, atol=1e-6, rtol=1e-6)
    assert not torch.allclose(alone[0], alone[1]) and not together[2].any()


@pytest.mark.parametrize("late", [False, True])
def test_who_rests_can_be_said_before_or_after_the_gradients(late: bool) -> None:
    experts, h = mixture(), torch.randn(2, L, D)
    experts.begin(0)
    loss = experts(h).square().sum()
    chosen = experts.chosen_now.tolist()
    if not late:
        experts.trains_now = [n > 0 for n in chosen]
    loss.backward()
    if late:
        experts.rest(chosen)
    for name in ("down_weight", "down_bias", "up_weight", "up_bias"):
        trained = [window(experts, name, e).grad is not None for e in range(E)]
        assert trained == [n > 0 for n in chosen] and not all(trained)


def test_an_expert_that_nobody_chose_rests_with_its_moments() -> None:
    experts = mixture()
    experts.begin(0)
    optimizer = torch.optim.AdamW(experts.trained(), lr=0.1, weight_decay=0.5)
    h, rested = torch.randn(2, L, D), 0
    for _ in range(6):
        before = experts.down_weight.clone()
        optimizer.zero_grad()
        loss = experts(h).square().sum()
        experts.trains_now = [n > 0 for n in experts.chosen_now.tolist()]
        loss.backward()
        optimizer.step()
        for e, used in enumerate(experts.trains_now):
            assert torch.equal(experts.down_weight[e], before[e]) != used
            rested += not used
    assert rested > 0


def test_the_most_used_are_frozen_and_never_move_again() -> None:
    experts = mixture()
    experts.begin(0)
    experts.counts.copy_(torch.tensor([5, 1, 9, 0, 3, 2, 4]))
    experts.end(2)
    assert experts.frozen.nonzero().flatten().tolist() == [0, 2]
    experts.begin(1)
    optimizer = torch.optim.AdamW(experts.trained(), lr=0.1, weight_decay=0.5)
    assert len(experts.trained()) == 4 * (E - 2) + 2
    before = experts.up_weight.clone()
    for _ in range(5):
        optimizer.zero_grad()
        experts(torch.randn(B, L, D)).square().sum().backward()
        optimizer.step()
    moved = (experts.up_weight - before).flatten(1).abs().sum(1) > 0
    assert not moved[[0, 2]].any() and moved.any()


def test_fewer_experts_than_chosen_is_one_clear_line() -> None:
    with pytest.raises(ValidationError, match=r"experts = 1 is fewer than top_k = 2"):
        MoEAdaptersConfig(experts=1)


def test_routing_falls_back_to_clip() -> None:
    errors = torch.tensor([[0.03, 0.01, 0.09], [0.02, 0.05, 0.08], [0.06, 0.02, 0.07]])
    assert route(errors, threshold=0.0655).tolist() == [0, -1, -1]


def selector(routers: list[list[float]]) -> AutoSelector:
    """A selector whose errors [K, B] are given."""
    made = AutoSelector(lambda x: x.flatten(1), hidden=2, threshold=1.0)

    class Given:
        def __init__(self, errors: list[float]) -> None:
            self.given = torch.tensor(errors)

        def errors(self, z: Tensor) -> Tensor:
            return self.given

    made.encoders = [Given(row) for row in routers]  # type: ignore[misc]
    return made


def test_batch_routing_pools_errors_and_image_routing_does_not() -> None:
    errors = [[0.5, 0.5, 0.5, 0.5, 0.5], [0.1, 0.9, 0.1, 0.6, 0.6], [0.3, 0.2, 0.3, 0.1, 0.9]]
    images = torch.zeros(5, 3, 2, 2)
    assert selector(errors).choose(images, together=1).tolist() == [0, 1, 0, 1, -1]
    assert selector(errors).choose(images, together=3).tolist() == [1, 1, 1, -1, -1]
    assert selector(errors).choose(images, together=128).tolist() == [1] * 5


@pytest.fixture(scope="module")
def learned() -> tuple[MoEAdapters, TrainingTask]:
    plan = small_plan("moe-adapters", overrides=("slots=3",))
    method = fresh(plan)
    assert isinstance(method, MoEAdapters)
    task = small_stream(plan).tasks[0]
    training = TrainingTask(task, method.normalise, 32, seed_everything(0, task.name))
    method.before_task(training)
    method.after_task(training)
    return method, training


def test_slots_are_made_beforehand_and_compete(learned: tuple[MoEAdapters, TrainingTask]) -> None:
    method, _ = learned
    assert len(method.selector.encoders) == 4, "the reference set's and three tasks'"
    assert all(len(experts.w_gate) == 3 for experts in method._all())
    chosen = method.selector.choose(torch.randn(40, 3, 32, 32) * 3, together=1)
    assert set(chosen.tolist()) <= {-1, 0, 1, 2}


def test_text_routing_is_the_same_for_every_prompt(
    learned: tuple[MoEAdapters, TrainingTask],
) -> None:
    """The gate reads the first position of a causal tower: the same for all texts."""
    method, training = learned
    seen: list[Tensor] = []
    first = method.experts["t"][-1]
    original = first.gates

    def gates(r: Tensor) -> tuple[Tensor, Tensor]:
        chosen, g = original(r)
        seen.append(torch.cat([chosen.float(), g], dim=-1))
        return chosen, g

    first.gates = gates  # type: ignore[method-assign]
    method._use(0)
    with torch.no_grad():
        method.clip.encode_classes(training.labels)
    method._use(NO_ROUTER)
    assert (seen[0] - seen[0][0]).abs().max() < 1e-6


def test_choices_are_counted_from_a_tasks_begin_and_not_from_where_it_went_on() -> None:
    experts = Experts(4, 3, 2, 1, 0.0, torch.device("cpu"))
    experts.add_router()
    experts.counts.fill_(7)
    experts.go_on(0)
    assert experts.counts.tolist() == [7, 7, 7] and experts.noisy
    experts.begin(0)
    assert experts.counts.tolist() == [0, 0, 0] and experts.noisy

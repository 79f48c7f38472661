"""The projection core: properties, and equality with a straightforward implementation."""

from __future__ import annotations

import pytest
import torch
from golden_clip import golden_clip, images, projector_distance, recorded, relative
from pydantic import ValidationError
from torch import Tensor

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.pixels import Pixels
from cl_bench.benchmark.task import LabelSpace, Task, TrainingTask
from cl_bench.methods.configs.keeplora import KeepLoRAConfig
from cl_bench.methods.features import BatchMean, Gram, gram, task_grams, watching
from cl_bench.methods.keeplora import KeepLoRA
from cl_bench.methods.low_rank import LowRank
from cl_bench.methods.subspace import Subspaces, leading_factors

GOLD, _ = recorded("keeplora")


def decaying(n: int, d: int, columns: int, power: float = 1.0, seed: int = 0) -> Tensor:
    """Matrices [n, d, columns] with singular values like i^-power."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(n, d, columns, generator=generator, dtype=torch.float64)
    basis = torch.linalg.qr(torch.randn(n, d, d, generator=generator, dtype=torch.float64)).Q
    return basis @ (torch.arange(1, d + 1).double()[:, None] ** -power * noise)


def bases(subspaces: Subspaces) -> list[Tensor]:
    pairs = zip(subspaces.U, subspaces.rank.tolist(), strict=True)
    return [U[:, :k].double() for U, k in pairs]


def straightforward(M: Tensor, U: Tensor, threshold: float) -> Tensor:
    """Step 9 of the specification for one matrix, with two singular value decompositions."""
    total = torch.linalg.svdvals(M).square().sum()
    left, S, _ = torch.linalg.svd(M - U @ (U.T @ M), full_matrices=False)
    covered, added = (total - S.square().sum()) / total, 0
    while covered < threshold and U.shape[1] + added < len(M):
        covered = covered + S[added] ** 2 / total
        added += 1
    return torch.cat([U, left[:, :added]], dim=1)


@pytest.mark.parametrize("rule", ["below", "reach"])
def test_leading_directions_follow_both_rank_rules(rule: str) -> None:
    W = decaying(3, 24, 24)
    found = Subspaces.of_grams(W @ W.mT, 0.85, rule)  # type: ignore[arg-type]
    for i, U in enumerate(bases(found)):
        left, S, _ = torch.linalg.svd(W[i])
        share = S.square().cumsum(0) / S.square().sum()
        below = int((share < 0.85).sum())
        assert U.shape[1] == max(1, below) if rule == "below" else below + 1
        assert projector_distance(U, left[:, : U.shape[1]]) < 1e-5


@pytest.mark.parametrize("threshold", [0.5, 0.9, 0.99])
def test_extension_equals_the_straightforward_one(threshold: float) -> None:
    """q, k, v share their features and differ in what is protected; o has features of its own."""
    X, H = decaying(2, 32, 400, seed=3)
    W = decaying(4, 32, 32, seed=4)
    start = Subspaces.of_grams(W @ W.mT, 0.6, "below")
    M = [X, X, X, H]
    after = start.extended(torch.stack([m @ m.T for m in M]), threshold)
    for m, before, U in zip(M, bases(start), bases(after), strict=True):
        expected = straightforward(m, before, threshold)
        assert U.shape == expected.shape
        assert projector_distance(U, expected) < 1e-5
        assert torch.equal(U[:, : before.shape[1]], before)
        covered = (U.T @ m).square().sum() / m.square().sum()
        assert covered >= threshold - 1e-9
        if U.shape[1] > before.shape[1]:
            assert (U[:, :-1].T @ m).square().sum() / m.square().sum() < threshold
        assert (U.T @ U - torch.eye(U.shape[1])).abs().max() < 1e-5


def test_covered_features_add_nothing_and_width_is_the_limit() -> None:
    M = decaying(1, 16, 60)
    once = Subspaces.empty(1, 16, torch.device("cpu")).extended(M @ M.mT, 0.9)
    assert torch.equal(once.extended(M @ M.mT, 0.9).rank, once.rank)
    full = once.extended(torch.eye(16).double()[None], 1.0)
    assert full.rank.tolist() == [16]
    assert full.extended(M @ M.mT, 1.0).rank.tolist() == [16]


def test_projection_is_idempotent_and_orthogonal() -> None:
    W = decaying(3, 20, 20)
    subspaces = Subspaces.of_grams(W @ W.mT, 0.9, "reach")
    g = torch.randn(3, 20, 20, generator=torch.Generator().manual_seed(0))
    once = subspaces.project_out(g)
    assert (subspaces.U.mT @ once).abs().max() < 1e-5
    assert (subspaces.project_out(once) - once).abs().max() < 1e-5
    assert (once - g).norm() > 1


def test_leading_factors_are_those_of_the_svd() -> None:
    g = decaying(5, 20, 30).float()
    A, B = leading_factors(g, 4)
    left, S, right = torch.linalg.svd(g, full_matrices=False)
    best = left[..., :4] * S[:, None, :4] @ right[:, :4]
    assert relative(A @ B, best) < 1e-5
    assert (A.mT @ A - torch.eye(4)).abs().max() < 1e-5


def test_proposition_3_1_training_b_moves_w_along_a() -> None:
    """One step of gradient descent on B changes W by -lr s² A Aᵀ G, G the gradient in y = x W."""
    torch.manual_seed(0)
    x, target, W = torch.randn(9, 8), torch.randn(9, 8), torch.randn(8, 8)
    A, B = torch.linalg.qr(torch.randn(8, 3)).Q, torch.randn(3, 8)
    update = LowRank(A.expand(4, 8, 3), B.expand(4, 3, 8), B.expand(4, 3, 8), 0.5, train_A=False)
    start = W.clone().requires_grad_(True)
    (x @ start - target).square().sum().backward()
    (x @ W + update.out(x) - target).square().sum().backward()
    assert update.B.grad is not None and start.grad is not None
    after = update.B[3] - 0.1 * update.B.grad[3]
    moved = 0.5 * (update.A[3] @ (after - update.B_start[3]))
    assert relative(moved.detach(), -0.1 * 0.25 * A @ A.T @ start.grad) < 1e-5


def test_proposition_3_2_no_other_directions_keep_more_of_the_gradient() -> None:
    W, G = decaying(1, 24, 24, seed=1), decaying(1, 24, 24, power=0.5, seed=2).float()
    protected = Subspaces.of_grams(W @ W.mT, 0.8, "reach")
    G_hat = protected.project_out(G)
    A, _ = leading_factors(G_hat, 4)
    best = (A.mT @ G).square().sum()
    generator = torch.Generator().manual_seed(3)
    for _ in range(200):
        random = protected.project_out(torch.randn(1, 24, 4, generator=generator))
        other = torch.linalg.qr(random).Q
        assert (other.mT @ G).square().sum() < best


def test_gram_accumulates_in_place_and_batch_mean_averages() -> None:
    batches = [torch.randn(4, 7, 12, generator=torch.Generator().manual_seed(i)) for i in range(3)]
    whole, mean = Gram(), BatchMean()
    for batch in batches:
        whole.add(batch)
        mean.add(batch)
    flat = torch.cat([b.flatten(0, 1) for b in batches]).double()
    assert relative(whole.gram(), flat.T @ flat) < 1e-6
    M = torch.stack(batches).double().mean(dim=0).flatten(0, 1)
    assert relative(mean.gram(), M.T @ M) < 1e-6
    long = torch.randn(5000, 12, generator=torch.Generator().manual_seed(9))
    assert relative(gram(long), long.double().T @ long.double()) < 1e-6
    single = BatchMean()
    single.add(batches[0])
    alone = Gram()
    alone.add(batches[0])
    assert relative(single.gram(), alone.gram()) < 1e-12


def toy_task(count: int = 24) -> TrainingTask:
    pixels = torch.randint(0, 255, (count, 3, 32, 32), generator=torch.Generator().manual_seed(5))
    labels = LabelSpace.from_templates(("red", "green", "light blue"), ("a {} box.",))
    data = Images(pixels.to(torch.uint8), torch.arange(count) % 3)
    normalise = Pixels(32, torch.full((3, 1, 1), 0.5), torch.full((3, 1, 1), 0.25))
    task = Task("toy", labels, data, data)
    return TrainingTask(task, normalise, 8, torch.Generator().manual_seed(0))


def weights(clip: Clip, tower: str) -> Tensor:
    blocks = clip.attentions()[tower]
    parts = [(*a.in_proj_weight.detach().chunk(3), a.out_proj.weight.detach()) for a in blocks]
    return torch.stack([W.clone() for part in parts for W in part])


@pytest.mark.parametrize("variant", ["released", "paper"])
def test_what_is_learned_leaves_the_protected_directions_alone(variant: str) -> None:
    clip = golden_clip()
    method = KeepLoRA(clip, KeepLoRAConfig(rank=4, alpha=4, variant=variant), Assets())  # type: ignore
    for _ in range(2):
        task = toy_task()
        before = {tower: weights(clip, tower) for tower in "vt"}
        protected = dict(method.protected)
        method.before_task(task)
        optimizer = torch.optim.SGD(list(method.trainable_parameters()), lr=0.05)
        for batch in task.epoch():
            optimizer.zero_grad()
            method.loss(batch).backward()
            optimizer.step()
        method.after_task(task)
        for tower in "vt":
            delta = (weights(clip, tower) - before[tower]).mT  # y = x W: [n, in, out]
            leaked = protected[tower].U.mT @ delta
            assert delta.norm() > 1e-3
            # up to the rounding of W, from which delta is read off
            assert leaked.norm() < 1e-3 * delta.norm() + 1e-5
            assert (method.protected[tower].rank >= protected[tower].rank).all()


def test_paper_protects_the_input_side_and_reaches_the_share() -> None:
    clip = golden_clip()
    method = KeepLoRA(clip, KeepLoRAConfig(variant="paper"), Assets())
    W = weights(clip, "v")[5].double()
    U = bases(method.protected["v"])[5]
    right = torch.linalg.svd(W).Vh.T  # W is [out, in]: its right vectors lie on the input side
    assert projector_distance(U, right[:, : U.shape[1]]) < 1e-4
    kept = (W @ U).square().sum() / W.square().sum()
    assert kept >= 0.85 > (W @ U[:, :-1]).square().sum() / W.square().sum()


@pytest.mark.parametrize("positions", ["padded", "prompt"])
def test_text_statistics_count_padding_or_not(positions: str) -> None:
    clip = golden_clip()
    method = KeepLoRA(clip, KeepLoRAConfig(text_positions=positions), Assets())  # type: ignore[arg-type]
    labels = toy_task().labels
    tokens = clip.tokenize([p for (p,) in labels.prompts])
    seen: list[Tensor] = []
    with torch.no_grad(), clip.attentions()["t"][0].watch(lambda flow: seen.append(flow.x)):
        clip.encode_text(tokens)
        lengths = tokens.argmax(dim=-1) + 1
        rows = seen[0] if positions == "padded" else None
        x = (
            rows.flatten(0, 1)
            if rows is not None
            else torch.cat([row[:n] for row, n in zip(seen[0], lengths, strict=True)])
        )
    found = task_grams(clip, toy_task(), padded=method.config.text_positions == "padded")
    assert relative(found["t"][0], x.double().T @ x.double()) < 1e-5


def test_watching_stops_at_the_end() -> None:
    clip = golden_clip()
    with torch.no_grad(), watching(clip.attentions()["v"], Gram) as statistics:
        clip.encode_images(images(GOLD["T1/images"][:2]))
    assert len(statistics) == 3
    assert all(not attention.watchers for attention in clip.attentions()["v"])


def test_a_variant_only_sets_switches() -> None:
    released, paper = KeepLoRAConfig(), KeepLoRAConfig(variant="paper")
    switches = ("weight_side", "rank_rule", "feature_statistic", "text_positions")
    assert all(getattr(released, s) != getattr(paper, s) for s in switches)
    mixed = KeepLoRAConfig(variant="paper", weight_side="output")
    assert mixed.weight_side == "output" and mixed.rank_rule == "reach"
    with pytest.raises(ValidationError, match="weight_side"):
        KeepLoRAConfig(weight_side="left")  # type: ignore[arg-type]


def test_without_weight_subspace_the_first_task_follows_its_rank_rule() -> None:
    """Specification, step 9: the first update then uses the rule of step 0."""
    clip = golden_clip()
    config = KeepLoRAConfig(rank=4, vision_weight_share=0, text_weight_share=0)
    method = KeepLoRA(clip, config, Assets())
    assert int(method.protected["v"].rank.max()) == 0
    task = toy_task()
    method.before_task(task)
    method.after_task(task)
    M = task_grams(clip, toy_task(), BatchMean)["v"]  # the update was zero: the same features again
    energy = torch.linalg.eigvalsh(M).flip(-1)
    share = energy.cumsum(-1) / energy.sum(-1, keepdim=True)
    stopped_short = (share < 0.99).sum(-1)
    assert (method.protected["v"].rank - stopped_short).abs().max() <= 2  # another batch order

"""Low-rank updates: the side path equals the merged weights, and frozen weights cost nothing."""

from __future__ import annotations

from collections.abc import Callable

import torch
from golden_clip import golden_clip, images, recorded
from torch import Tensor

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.task import Batch, LabelSpace
from cl_bench.methods.lora import LoRA
from cl_bench.methods.low_rank import Adapters, LowRank

GOLD, _ = recorded("keeplora")
LABELS = LabelSpace.from_templates(("red", "green", "blue"), ("a {} box",))


def random_updates(clip: Clip, r: int = 3) -> dict[str, list[LowRank]]:
    torch.manual_seed(1)

    def one(d: int) -> LowRank:
        A, B = torch.randn(4, d, r) / d**0.5, torch.randn(4, r, d) / 10
        return LowRank(A, B, torch.randn(4, r, d) / 10, scaling=0.5, train_A=False)

    return {t: [one(a.width) for a in blocks] for t, blocks in clip.attentions().items()}


@torch.no_grad()
def features(clip: Clip) -> tuple[Tensor, Tensor]:
    return clip.encode_images(images(GOLD["T1/images"][:6])), clip.encode_classes(LABELS)


def test_side_path_equals_changed_weights_and_merging_keeps_the_function() -> None:
    clip = golden_clip()
    plain, updates, adapters = features(clip), random_updates(clip), Adapters(clip)
    adapters.attach(updates)
    beside = features(clip)
    by_hand = golden_clip()
    with torch.no_grad():
        for tower, blocks in by_hand.attentions().items():
            for attention, u in zip(blocks, updates[tower], strict=True):
                for i, W in enumerate(
                    (*attention.in_proj_weight.chunk(3), attention.out_proj.weight)
                ):
                    W += 0.5 * (u.A[i] @ (u.B[i] - u.B_start[i])).T  # ΔW = s(A(B - B0))ᵀ
    adapters.merge()
    for before, side, expected, merged in zip(
        plain, beside, features(by_hand), features(clip), strict=True
    ):
        assert (side - before).abs().max() > 1e-2
        assert (side - expected).abs().max() < 1e-5
        assert (merged - expected).abs().max() < 1e-5
    assert all(not a.adapters for a in clip.attentions()["v"])
    assert list(adapters.parameters()) == []


def test_nothing_changes_at_the_start() -> None:
    clip = golden_clip()
    plain, updates = features(clip), random_updates(clip)
    for blocks in updates.values():
        for update in blocks:
            update.B.data.copy_(update.B_start)
    Adapters(clip).attach(updates)
    assert all(torch.equal(a, b) for a, b in zip(plain, features(clip), strict=True))


def saved_numbers(loss: Callable[[], Tensor]) -> tuple[Tensor, int]:
    """The loss, and how many numbers autograd keeps for its backward pass."""
    kept: list[int] = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda t: kept.append(t.numel()) or t, lambda t: t
    ):
        return loss(), sum(kept)


def test_frozen_weights_get_no_gradient_and_need_less_memory() -> None:
    batch = Batch(images(GOLD["T1/images"][:8]), torch.arange(8) % 3, LABELS, torch.arange(8))
    full = golden_clip()
    _, needed_by_all = saved_numbers(lambda: full.cross_entropy(batch))

    clip = golden_clip()
    method = LoRA(clip, LoRA.Config(rank=2), Assets())
    method.before_task(None)  # type: ignore[arg-type]
    assert len(list(method.trainable_parameters())) == 2 * 6  # A and B, three blocks, two towers
    loss, needed = saved_numbers(lambda: method.loss(batch))
    loss.backward()
    assert all(p.grad is None for p in clip.parameters())
    # Inputs of frozen matrices are not kept: no weight gradient is ever computed from them.
    assert needed < 0.9 * needed_by_all

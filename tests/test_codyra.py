"""CoDyRA: the operators on a grid, the threshold's course, both losses, and merging six matrices."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from golden_clip import golden_clip
from torch import Tensor, nn
from toy_task import LABELS, features, stirred, toy

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.checkpoint import load_checkpoint, save_checkpoint
from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.config import Recipe
from cl_bench.benchmark.estimate import forecast as parts_of_forecast
from cl_bench.benchmark.task import Batch, LabelSpace
from cl_bench.benchmark.train import train
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.forecast import forecast
from cl_bench.experiment.resolve import resolve
from cl_bench.methods.codyra import CoDyRA, text_loss
from cl_bench.methods.gate_threshold import released_threshold, soft_threshold, threshold_of
from cl_bench.methods.gated_low_rank import MATRICES, GatedLowRank

OTHERS = LabelSpace.from_templates(("cow", "pond"), ("a drawing of a {}.",))


def codyra(**settings: Any) -> CoDyRA:
    torch.manual_seed(0)
    return CoDyRA(golden_clip(), CoDyRA.Config(rank=3, **settings), Assets())


def released_by_hand(g: float, k: float) -> float:
    if g > k:
        g = g - k
    if g < -k:
        g = g + k
    return 0.0 if abs(g) < k else g


def soft_by_hand(g: float, k: float) -> float:
    return math.copysign(abs(g) - k, g) if abs(g) > k else 0.0


@pytest.mark.parametrize(
    ("operator", "by_hand"),
    [(released_threshold, released_by_hand), (soft_threshold, soft_by_hand)],
)
def test_the_operators_on_a_grid(operator: Any, by_hand: Any) -> None:
    grid = [i / 8 for i in range(-16, 17)]  # exact in binary: κ and 2κ lie on it
    for k in (0.0, 0.125, 0.5, 0.75):
        found = operator(torch.tensor(grid, dtype=torch.float64), k).tolist()
        assert found == [by_hand(g, k) for g in grid]


def test_the_released_operator_has_a_dead_zone_twice_as_wide() -> None:
    g = torch.tensor([0.15, -0.15, 0.25, 0.05])
    assert released_threshold(g, 0.1)[:2].tolist() == [0, 0]
    torch.testing.assert_close(soft_threshold(g, 0.1), torch.tensor([0.05, -0.05, 0.15, 0.0]))
    for operator in (released_threshold, soft_threshold):
        assert operator(torch.tensor([math.nan]), 0.1).isnan().all(), "a lost gate must stay seen"


def published_course() -> list[float]:
    """κ of every iteration as the published loop has it: a counter that rises every five."""
    grid = [0.005 * i / 49 for i in range(50)]
    index, course = 0, []
    for iteration in range(500):
        if iteration >= 250 and (iteration - 250) % ((500 - 250) // 50) == 0:
            index = min(index + 1, 49)
        course.append(grid[index] if iteration > 250 else 0.0)
    return course


def test_the_threshold_rises_as_published() -> None:
    course = [threshold_of(i, 500, 0.5, 0.005) for i in range(500)]
    assert course == pytest.approx(published_course(), abs=1e-15)
    assert course[250] == 0 and course[251] == pytest.approx(0.005 / 49)
    assert sum(k > 0 for k in course) == 249 and sum(course) == pytest.approx(0.650, abs=5e-4)


@pytest.mark.parametrize("steps", [1, 2, 3, 8, 95, 500, 1001])
@pytest.mark.parametrize("dense", [0.0, 0.5, 0.9, 1.0])
def test_the_threshold_spans_any_number_of_steps(steps: int, dense: float) -> None:
    course = [threshold_of(i, steps, dense, 1.0) for i in range(steps)]
    first = int(dense * steps)
    assert not any(course[: first + 1]) and all(course[first + 1 :])
    assert course == sorted(course) and max(course) <= 1
    if steps - first >= 50:
        assert course[-1] == 1, "it reaches the largest"


def test_gates_that_learn_nothing_keep_half_of_their_components() -> None:
    """The ablation's reference: N(0, 1) and the operator alone leave 8.2 of 16."""
    g = torch.randn(200_000, generator=torch.Generator().manual_seed(0))
    for operator, left in ((released_threshold, 8.20), (soft_threshold, 8.25)):
        h = g
        for k in published_course():
            h = operator(h, k) if k else h
        assert 16 * (h != 0).double().mean().item() == pytest.approx(left, abs=0.05)


def test_the_text_loss_equals_the_naive_one_over_all_classes_seen() -> None:
    torch.manual_seed(0)
    images, old, new = (torch.randn(n, 7, dtype=torch.float64) for n in (6, 4, 3))
    targets = torch.tensor([0, 2, 2, 0, 2, 0])  # class 1 has no image in the batch
    total = 0.0
    rows = torch.cat([old, new])  # the naive one has a row for each class seen
    for c, row in enumerate(rows):
        scores = [100 * float(row @ x) for x in images]
        top = max(scores)
        log_sum = top + math.log(sum(math.exp(s - top) for s in scores))
        for score, target in zip(scores, targets.tolist(), strict=True):
            total -= (score - log_sum) * (c == target + len(old))
    naive = total / len(rows)
    assert text_loss(100 * images @ new.T, targets, len(rows)).item() == pytest.approx(naive)


def test_the_loss_counts_the_classes_of_learned_tasks() -> None:
    method = codyra()
    task = toy(0, method.clip.normaliser())
    method.before_task(task)
    stirred(method)
    batch = next(task.epoch())
    with torch.no_grad():
        x = method.clip.encode_images(batch.images).double()
        logits = method.clip.model.logit_scale.exp().double() * (
            x @ method.clip.encode_classes(LABELS).double().T
        )
        image = -sum(
            logits[b].log_softmax(0)[t] for b, t in enumerate(batch.targets.tolist())
        ) / len(x)
        text = -sum(logits[:, t].log_softmax(0)[b] for b, t in enumerate(batch.targets.tolist()))
    assert method.loss(batch).item() == pytest.approx(float(image + text / 3), rel=1e-5)
    method.classes_seen = 7
    assert method.loss(batch).item() == pytest.approx(float(image + text / 10), rel=1e-5)


def outputs(clip: Clip, batch: Batch) -> list[Tensor]:
    with torch.no_grad():
        return [clip.encode_images(batch.images), clip.encode_classes(OTHERS)]


def six(block: nn.Module) -> list[Tensor]:
    """q, k, v, o and both of the MLP, each [out, in]."""
    attention, mlp = block.attn, block.mlp
    q, k, v = attention.in_proj_weight.chunk(3)  # type: ignore[union-attr, operator]
    return [q, k, v, attention.out_proj.weight, mlp.c_fc.weight, mlp.c_proj.weight]  # type: ignore[union-attr, list-item]


@torch.no_grad()
def changed_by_hand(method: CoDyRA) -> Clip:
    """A plain CLIP whose weights have every component added, one by one, in float64."""
    clip = golden_clip()
    for tower, blocks in clip.blocks().items():
        for i, block in enumerate(blocks):
            u = method.updates[f"{tower}.{i}"]
            As, Bs = [*u.A, u.A_fc, u.A_proj], [*u.B, u.B_fc, u.B_proj]
            for W, A, B, g in zip(six(block), As, Bs, u.gates, strict=True):
                delta = torch.zeros(W.shape, dtype=torch.float64)
                for r in range(len(g)):
                    delta += g[r].item() * torch.outer(B[r].double(), A[:, r].double())
                W += delta.float()
    return clip


def test_merged_equals_unmerged_equals_weights_changed_by_hand() -> None:
    method = codyra()
    task = toy(0, method.clip.normaliser())
    batch = next(task.epoch())
    before = outputs(method.clip, batch)
    method.before_task(task)
    for at_start, of in zip(outputs(method.clip, batch), before, strict=True):
        assert torch.equal(at_start, of), "B is zero"
    stirred(method)
    unmerged, by_hand = outputs(method.clip, batch), changed_by_hand(method)
    norm = sum(
        float((W - V).detach().square().sum())
        for t, blocks in golden_clip().blocks().items()
        for b, c in zip(blocks, by_hand.blocks()[t], strict=True)
        for W, V in zip(six(b), six(c), strict=True)
    )
    method.after_task(task)
    rows = zip(before, unmerged, outputs(by_hand, batch), outputs(method.clip, batch), strict=True)
    for start, beside, expected, merged in rows:
        assert (beside - start).abs().max() > 1e-2
        assert (beside - expected).abs().max() < 1e-5
        assert (merged - expected).abs().max() < 1e-5
    assert method.diagnostics()["update/norm"] == pytest.approx(norm**0.5, rel=1e-4)
    assert list(method.trainable_parameters()) == [] and not method.handles


@pytest.mark.parametrize("matrix", range(len(MATRICES)))
def test_each_matrix_has_a_part_of_its_own(matrix: int) -> None:
    """With one gate open the function changes; a zeroed gate's component contributes nothing."""
    method = codyra()
    task = toy(0, method.clip.normaliser())
    batch = next(task.epoch())
    before = outputs(method.clip, batch)
    method.before_task(task)
    stirred(method)
    with torch.no_grad():
        for u in method.updates.values():
            u.gates.zero_()
    for found, start in zip(outputs(method.clip, batch), before, strict=True):
        assert torch.equal(found, start)
    with torch.no_grad():
        for u in method.updates.values():
            u.gates[matrix, 0] = 1.0
    for found, start in zip(outputs(method.clip, batch), before, strict=True):
        assert (found - start).abs().max() > 1e-4
    method.after_task(task)
    found_ranks = method.diagnostics()
    for name in method.blocks:
        for i, called in enumerate(MATRICES):
            assert found_ranks[f"rank/{name}.{called}"] == (i == matrix)
    assert found_ranks["rank/mean"] == pytest.approx(1 / 6)


def learned(method: CoDyRA, steps: int = 8) -> dict[str, GatedLowRank]:
    """Train on one task without consolidating it."""
    task = toy(0, method.clip.normaliser())
    method.before_task(task)
    train(method, task, Recipe(lr=1e-2, warmup=0), steps, "fp32", lambda p: None)
    return method.updates


@pytest.mark.parametrize(
    ("operator", "by_hand"), [("released", released_by_hand), ("soft", soft_by_hand)]
)
def test_the_threshold_follows_every_step_of_the_second_half(operator: str, by_hand: Any) -> None:
    """Frozen gates show it alone: what is left is what the operator leaves of the first draw."""
    method = codyra(gates="frozen", largest_threshold=0.1, operator=operator)
    method.before_task(toy(0, method.clip.normaliser()))
    start = [u.gates.clone() for u in method.updates.values()]
    torch.manual_seed(0)
    found = learned(codyra(gates="frozen", largest_threshold=0.1, operator=operator))
    for g, u in zip(start, found.values(), strict=True):
        for i in range(5, 8):
            k = threshold_of(i, 8, 0.5, 0.1)
            g = torch.tensor([[by_hand(x, k) for x in row] for row in g.tolist()])
        torch.testing.assert_close(u.gates.detach(), g, atol=1e-6, rtol=0)
        assert not u.gates.requires_grad and (u.B != 0).any()
    assert any((u.gates == 0).any() for u in found.values())


def test_trained_gates_move_and_frozen_ones_do_not() -> None:
    trained = learned(codyra(largest_threshold=0.0), steps=2)
    frozen = learned(codyra(largest_threshold=0.0, gates="frozen"), steps=2)
    pairs = list(zip(trained.values(), frozen.values(), strict=True))
    assert all((a.gates != b.gates).all() for a, b in pairs)


def test_a_step_on_a_task_of_unknown_length_is_an_error() -> None:
    method = codyra()
    method.before_task(toy(0, method.clip.normaliser()))
    with pytest.raises(AssertionError, match="number of steps"):
        method.after_step(1)


def test_what_was_learned_survives_a_file(tmp_path: Path) -> None:
    """Between tasks the count of classes, and within one the components in the order of the blocks."""
    method = codyra()
    task = toy(0, method.clip.normaliser())
    method.before_task(task)
    stirred(method)
    method.after_task(task)
    method.before_task(task)
    stirred(method)
    save_checkpoint(tmp_path / "state", method.state_dict())
    again = codyra(gates="trained")
    again.load_state_dict(load_checkpoint(tmp_path / "state"))
    again.continue_task(task)
    assert again.classes_seen == 3 and list(again.updates) == list(method.updates)
    batch = next(task.epoch())
    assert torch.equal(features(again, batch), features(method, batch))
    assert torch.equal(again.loss(batch), method.loss(batch))


def test_the_published_run_on_mtil(monkeypatch: pytest.MonkeyPatch) -> None:
    """One setting for all tasks; what is kept are the six matrices of 24 blocks, in float32."""
    chosen = {"suite": "mtil", "method": "codyra", "preset": "paper", "device": "cpu"}
    config = resolve(Choices.model_validate({**chosen, "order": "II"})).config
    assert set(config.budget.steps.values()) == {500} and len(config.budget.steps) == 11
    assert (config.budget.batch_size, config.protocol.prompts) == (64, "first")
    assert config.protocol.augment == "random_resized_crop"
    assert config.recipe == Recipe(
        lr=5e-4, weight_decay=0, beta2=0.9999, schedule="warmup_cosine", warmup=0
    )
    assert config.method_settings == {
        "rank": 16, "largest_threshold": 0.005, "dense_share": 0.5, "operator": "released",
        "gates": "trained",
    }  # fmt: skip
    monkeypatch.setattr(parts_of_forecast, "measure_rates", lambda *_: np.ones(4))
    found = forecast(resolve(Choices.model_validate({**chosen, "order": "MNIST", "tasks": 1})))
    kept = 4 * 12 * (12 * 768**2 + 12 * 512**2)
    assert found.checkpoint == pytest.approx(kept, rel=1e-3)

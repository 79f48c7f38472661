"""KeepLoRA's variants: distilled, with scaled layers, with a classifier, and its ablations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from golden_clip import golden_clip
from small_run import fresh, small_plan, small_run, small_stream
from toy_task import toy

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.randomness import seed_everything
from cl_bench.benchmark.record import RunFolder
from cl_bench.benchmark.task import TrainingTask
from cl_bench.methods.configs.keeplora import KeepLoRAConfig
from cl_bench.methods.keeplora import KeepLoRA


def test_distillation_with_weight_zero_is_exactly_keeplora(tmp_path: Path) -> None:
    without = ("feature_distillation=0.0", "logit_distillation=0.0")
    runs = [
        small_run(small_plan("keeplora-kd", overrides=without), tmp_path / "kd"),
        small_run(small_plan("keeplora"), tmp_path / "plain"),
        small_run(small_plan("keeplora-kd"), tmp_path / "on"),
    ]
    states = [RunFolder(run.path).checkpoint(2).read_bytes() for run in runs]
    assert states[0] == states[1] != states[2]


def learner(**settings: Any) -> tuple[KeepLoRA, TrainingTask]:
    method = KeepLoRA(golden_clip(), KeepLoRAConfig(rank=4, **settings), Assets())
    task = toy(0, method.clip.normaliser())
    torch.manual_seed(0)
    method.before_task(task)
    return method, task


def test_keeplora_plus_plus_scales_layers_and_starts_at_zero() -> None:
    method, _ = learner(vision_layer_scale=0.2, start="zero", alpha=4.0)
    scales = [u.scaling for u, _ in method.adapters._pairs]
    assert scales == pytest.approx([0.2, 0.6, 1.0, 1.0, 1.0, 1.0])
    assert not any(u.B.any() or u.B_start.any() for u, _ in method.adapters._pairs)
    same, _ = learner(alpha=4.0)
    for (a, _), (b, _) in zip(method.adapters._pairs, same.adapters._pairs, strict=True):
        assert torch.equal(a.A, b.A), "A still comes from the projected gradient"


def test_ablations_protect_what_they_say() -> None:
    no_features = {"vision_feature_share": 0, "text_feature_share": 0}
    nothing = {"vision_weight_share": 0, "text_weight_share": 0} | no_features
    method, task = learner(direction="random", **nothing)
    assert all(not u.B.any() and not u.A.requires_grad for u, _ in method.adapters._pairs)
    method.after_task(task)
    assert all(int(s.rank.max()) == 0 for s in method.protected.values())
    method, task = learner(**no_features)
    before = method.diagnostics()
    method.after_task(task)
    assert method.diagnostics() == before and min(before.values()) > 0, "weights alone"
    method, task = learner(vision_weight_share=0, text_weight_share=0)
    assert max(method.diagnostics().values()) == 0
    method.after_task(task)
    assert min(method.diagnostics().values()) > 0, "features alone"


@pytest.mark.parametrize(("setting", "tower"), [("vision", "v"), ("text", "t")])
def test_each_tower_has_its_own_feature_share(setting: str, tower: str) -> None:
    ranks = {}
    for share in (0.99, 0.5, 0):
        method, task = learner(**{f"{setting}_feature_share": share})
        method.after_task(task)
        ranks[share] = {t: int(s.rank.sum()) for t, s in method.protected.items()}
    (other,) = {"v", "t"} - {tower}
    assert ranks[0.99][tower] > ranks[0.5][tower] >= ranks[0][tower]
    assert ranks[0.99][other] == ranks[0.5][other] == ranks[0][other]


def test_the_cosine_head_starts_at_class_means_and_is_kept_per_task(tmp_path: Path) -> None:
    plan = small_plan("keeplora+")
    method = fresh(plan)
    assert isinstance(method, KeepLoRA)
    first, second = small_stream(plan).tasks
    training = TrainingTask(first, method.clip.normaliser(), 32, seed_everything(0, first.name))
    method.before_task(training)
    assert method.head is not None
    f = method.clip.encode_images(method.clip.normaliser()(first.train.pixels))
    means = torch.stack([f[first.train.targets == c].mean(0) for c in range(3)])
    expected = means / means.norm(dim=-1, keepdim=True)
    torch.testing.assert_close(method.head.w[:3].data, expected.data, atol=1e-5, rtol=0)
    logits = method.head(f[:4])
    torch.testing.assert_close(logits.max(), 30 * (f[:4] @ method.head.w.T).max())
    method.after_task(training)
    x = method.clip.normaliser()(first.test.pixels[:8])
    own, other = (method.classifier(t.labels.first_prompts()) for t in (first, second))
    texts = method.clip.logits(
        method.clip.encode_images(x), method.clip.encode_classes(first.labels.first_prompts())
    )
    assert (own(x) - texts).abs().max() > 1
    unseen = method.clip.encode_classes(second.labels.first_prompts())
    expected = method.clip.logits(method.clip.encode_images(x), unseen)
    torch.testing.assert_close(other(x), expected)  # text alone for a task not learned yet

"""O-LoRA, InfLoRA, SD-LoRA and KeepLoRA's variants: what each one is about, in numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from golden_clip import golden_clip, projector_distance
from numpy.typing import NDArray
from small_run import fresh, small_plan, small_run, small_stream
from torch import Tensor

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.method import Method
from cl_bench.benchmark.record import RunFolder
from cl_bench.benchmark.run import seed_everything
from cl_bench.benchmark.task import Batch, LabelSpace, Task, TrainingTask
from cl_bench.methods.features import task_grams
from cl_bench.methods.inflora import InfLoRA
from cl_bench.methods.keeplora import KeepLoRA, KeepLoRAConfig
from cl_bench.methods.o_lora import OLoRA
from cl_bench.methods.sd_lora import SDLoRA
from cl_bench.methods.subspace import Subspaces

LABELS = LabelSpace.from_templates(("cat", "boat", "oak"), ("a photo of a {}.",))


def toy(seed: int, clip_normaliser: Any) -> TrainingTask:
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(256, (12, 3, 32, 32), generator=generator, dtype=torch.uint8)
    images = Images(pixels, torch.arange(12) % 3)
    task = Task(f"toy{seed}", LABELS, images, images)
    return TrainingTask(task, clip_normaliser, 4, generator)


def stirred(method: Method, scale: float = 0.05) -> None:
    """Move whatever trains, as training would."""
    with torch.no_grad():
        for p in method.trainable_parameters():
            p.add_(scale * torch.randn_like(p))


def features(method: Method, batch: Batch) -> Tensor:
    with torch.no_grad():
        return method.clip.encode_images(batch.images)


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


Matrix = NDArray[np.float64]


class DualGPM:
    """The published bookkeeping of one matrix, written out with singular value decompositions."""

    def __init__(self) -> None:
        self.M: Matrix | None = None
        self.kind = "remove"

    def update(self, C: Matrix, share: float) -> None:
        d = len(C)
        if self.M is None:
            U, s, _ = np.linalg.svd(C)
            kept = max(1, int((np.cumsum(s**2) / np.sum(s**2) < share).sum()))
            self.M = U[:, :kept]
        elif self.kind == "remove":
            total = np.sum(np.linalg.svd(C)[1] ** 2)
            U, s, _ = np.linalg.svd(C - self.M @ self.M.T @ C)
            covered, added = (total - np.sum(s**2)) / total, 0
            while covered < share and added < d:
                covered += s[added] ** 2 / total
                added += 1
            self.M = np.hstack([self.M, U[:, :added]])[:, :d]
        else:
            total = np.sum(np.linalg.svd(C)[1] ** 2)
            U, s, _ = np.linalg.svd(self.M @ self.M.T @ C)
            left, removed = np.sum(s**2) / total, 0
            while left > 1 - share and removed < self.M.shape[1]:
                left -= s[removed] ** 2 / total
                removed += 1
            gone = U[:, :removed]
            rest = self.M - gone @ gone.T @ self.M
            self.M = np.linalg.svd(rest)[0][:, : self.M.shape[1] - removed]
        if self.kind == "remove" and self.M.shape[1] > d / 2:
            self.M = np.linalg.svd(self.M)[0][:, self.M.shape[1] :]
            self.kind = "retain"

    def projected_off(self, d: int) -> Matrix:
        """The projector onto what is protected."""
        assert self.M is not None
        projector: Matrix = self.M @ self.M.T
        return projector if self.kind == "remove" else np.eye(d) - projector


def test_growing_one_basis_equals_dual_gpm() -> None:
    """Keeping M or its complement is bookkeeping: both protect the same directions."""
    rng, d, kinds = np.random.default_rng(0), 12, []
    published, ours = DualGPM(), None
    for t in range(6):
        X = rng.standard_normal((200, d)) * (0.5 ** ((np.arange(d) + 3 * t) % d))
        C = X.T @ X / 200
        share = 0.95 + 0.05 * t / 6
        published.update(C, share)
        energies = torch.from_numpy(C @ C)[None]
        ours = (
            Subspaces.of_grams(energies, share, "below")
            if ours is None
            else ours.extended(energies, share)
        )
        U = ours.U[0, :, : int(ours.rank[0])].double().numpy()
        assert np.linalg.norm(U @ U.T - published.projected_off(d)) < 1e-4, t
        kinds.append(published.kind)
    assert set(kinds) == {"remove", "retain"}, "both kinds were met"


def test_inflora_takes_inputs_outside_the_protected_directions() -> None:
    method = InfLoRA(golden_clip(), InfLoRA.Config(rank=3, first_share=0.6), Assets())
    first, second = (toy(i, method.clip.normaliser()) for i in range(2))
    method.before_task(first)
    update = method.adapters._pairs[0][0]
    C = task_grams(method.clip, toy(0, method.clip.normaliser()))["v"][0]
    leading = torch.linalg.eigh(C).eigenvectors[:, -3:].float()
    assert projector_distance(update.A[0] * 3**0.5, leading) < 1e-3
    assert not update.A.requires_grad and not update.B.any()
    stirred(method)
    method.after_task(first)
    method.before_task(second)
    U = method.protected["v"].U
    A = torch.cat([u.A for u, _ in method.adapters._pairs][:3])
    assert (U.mT @ A).abs().max() < 1e-5


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

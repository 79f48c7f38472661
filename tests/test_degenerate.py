"""Data without a gradient, without differences or with few directions: every method has an answer."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from golden_clip import golden_clip
from tiny_run import TASKS, tiny_run
from torch import Tensor
from toy_task import toy
from two_tasks import Watch, known, tiny_models, toy_assets

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.method import Method, all_parameters
from cl_bench.benchmark.task import LabelSpace, Task, TrainingTask
from cl_bench.methods.catalog import BUILT_IN
from cl_bench.methods.cosine_head import CosineHead
from cl_bench.methods.features import BatchMean, Gram, task_grams
from cl_bench.methods.inflora import InfLoRA
from cl_bench.methods.keeplora import KeepLoRA
from cl_bench.methods.subspace import Subspaces

LOW_RANK = ("lora", "keeplora", "keeplora++", "keeplora-kd", "o-lora", "inflora", "sd-lora")


def one_colour(task: Task) -> Task:
    """Its images are all the same: every feature of every image is equal."""
    images = Images(torch.full_like(task.train.pixels, 77), task.train.targets)
    return replace(task, train=images, test=images)


def one_class(task: Task) -> Task:
    """One class: cross-entropy and all its gradients are exactly zero."""
    labels = LabelSpace(task.labels.classnames[:1], task.labels.prompts[:1])
    images = Images(task.train.pixels, torch.zeros_like(task.train.targets))
    return replace(task, labels=labels, train=images, test=images)


def one_image(task: Task) -> Task:
    """One image of one of its classes in training, and one in the test."""
    return replace(
        task, train=task.train.subset(torch.tensor([1])), test=task.test.subset(torch.tensor([4]))
    )


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_method_learns_images_that_are_all_the_same(name: str, tmp_path: Path) -> None:
    tasks = (one_colour(TASKS[0]), one_colour(TASKS[1]))
    result = tiny_run(name, tmp_path / "run", tasks=tasks)
    third = pytest.approx(100 / 3)  # one prediction for all six images of three classes
    assert result.finished and result.matrix.rows == ((third, third), (third, third))


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_method_learns_tasks_of_one_image(name: str, tmp_path: Path) -> None:
    tasks = (one_image(TASKS[0]), one_image(TASKS[1]))
    result = tiny_run(name, tmp_path / "run", tasks=tasks)
    assert result.finished and {a for row in result.matrix.rows for a in row} <= {0.0, 100.0}


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_method_learns_a_task_of_one_class(name: str, tmp_path: Path) -> None:
    result = tiny_run(name, tmp_path / "run", tasks=(one_class(TASKS[0]), TASKS[1]))
    assert result.finished and [row[0] for row in result.matrix.rows] == [100.0, 100.0]


def made(name: str) -> Method:
    make, _ = known(name)
    clip, selector = tiny_models(Watch(None))
    return make(clip, toy_assets(TASKS, selector))


def seen(method: Method, task: Task) -> TrainingTask:
    return TrainingTask(task, method.clip.normaliser(), 4, torch.Generator().manual_seed(0))


@torch.no_grad()
def logits(method: Method, task: Task) -> Tensor:
    return method.classifier(task.labels)(method.clip.normaliser()(task.test.pixels))


@pytest.mark.parametrize("name", LOW_RANK)
def test_without_a_gradient_a_low_rank_update_changes_no_prediction(name: str) -> None:
    """KeepLoRA's projected gradient is zero: it has no directions, and B starts and stays at zero."""
    method = made(name)
    before = logits(method, TASKS[1])
    task = seen(method, one_class(TASKS[0]))
    method.before_task(task)
    parameters = all_parameters(method.trainable_parameters())
    optimizer = torch.optim.AdamW(parameters, lr=0.1)
    for batch in task.epoch():
        optimizer.zero_grad()
        method.loss(batch).backward()
        gradients = [p.grad for p in parameters if p.grad is not None]
        if name != "keeplora-kd":  # its teacher is no farther away than rounding
            assert not any(g.any() for g in gradients)
        assert all(g.isfinite().all() for g in gradients)
        optimizer.step() if name != "keeplora-kd" else None
    method.after_task(task)
    torch.testing.assert_close(logits(method, TASKS[1]), before, atol=1e-5, rtol=0)


@pytest.mark.parametrize("variant", ["released", "paper"])
def test_a_gradient_within_the_protected_directions_moves_nothing(variant: str) -> None:
    """All directions are protected: whatever is learned is projected away, and nothing is not finite."""
    clip = golden_clip()
    method = KeepLoRA(clip, KeepLoRA.Config(rank=4, variant=variant), Assets())  # type: ignore[arg-type]
    for tower, known_ in method.protected.items():
        n, d, _ = known_.U.shape
        method.protected[tower] = Subspaces(torch.eye(d).repeat(n, 1, 1), torch.full((n,), d))
    task = toy(0, clip.normaliser())
    weights = {name: w.clone() for name, w in clip.weights().items()}
    method.before_task(task)
    with torch.no_grad():
        for parameter in all_parameters(method.trainable_parameters()):
            parameter.add_(torch.randn_like(parameter))
    method.after_task(task)
    assert all((w - weights[name]).abs().max() < 1e-5 for name, w in clip.weights().items())
    assert all(int(s.rank.min()) == s.U.shape[1] for s in method.protected.values())


def test_the_rest_of_inflora_s_directions_does_not_lean_on_protected_ones() -> None:
    """Features have two directions, one of them protected; rank 4 would take two from anywhere."""
    axes = torch.eye(6)
    protected = Subspaces(axes[:, :2].repeat(3, 1, 1), torch.tensor([2, 2, 2]))
    A = torch.stack([axes[:, [3, 0, 1, 4]]] * 3)
    kept = protected.kept_off(A)
    assert torch.equal(kept[..., [0, 3]], A[..., [0, 3]]), "bit for bit what it was"
    assert not kept[..., [1, 2]].any()


def test_inflora_of_a_stream_longer_than_it_was_told_stays_at_its_last_share() -> None:
    method = InfLoRA(golden_clip(), InfLoRA.Config(rank=2, stream_length=1), Assets())
    for i in range(4):
        task = toy(i, method.clip.normaliser())
        method.before_task(task)
        method.after_task(task)
        for known_ in method.protected.values():
            for U, rank in zip(known_.U.double(), known_.rank.tolist(), strict=True):
                own = U[:, :rank]
                assert (own.mT @ own - torch.eye(rank)).abs().max() < 1e-3, i


@pytest.mark.parametrize("rule", ["below", "reach"])
def test_a_gram_matrix_of_zeros_protects_nothing(rule: str) -> None:
    grams = torch.stack([torch.zeros(5, 5), torch.eye(5)]).double()
    found = Subspaces.of_grams(grams, 0.9, rule)  # type: ignore[arg-type]
    assert found.rank.tolist()[0] == 0 and found.rank.tolist()[1] >= 4
    assert not found.U[0].any() and found.U.isfinite().all()
    assert found.extended(grams * 0, 0.9).rank.tolist() == found.rank.tolist()


@pytest.mark.parametrize("share", [0.5, 0.99, 1 - 1e-15, 1.0])
def test_features_of_three_directions_never_protect_a_fourth(share: float) -> None:
    """With a share of 1, the sum of the energies' shares never reached it, and U was filled with noise."""
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        axes = torch.linalg.qr(torch.randn(6, 6, generator=generator).double()).Q[:, :3]
        known = Subspaces.of_grams((axes[:, :2] @ axes[:, :2].T)[None], 0.99, "reach")
        X = axes @ torch.randn(3, 50, generator=generator).double()
        U = known.extended((X @ X.T)[None], share).U[0].double()
        assert U.shape[1] <= 3
        assert (U.T @ U - torch.eye(U.shape[1])).abs().max() < 1e-5


def test_inflora_learns_features_that_are_all_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dead block: what enters its o is zero."""
    method = InfLoRA(golden_clip(), InfLoRA.Config(rank=2), Assets())
    with torch.no_grad():
        method.clip.attentions()["v"][1].in_proj_weight[
            -method.clip.attentions()["v"][1].width :
        ] = 0
        method.clip.attentions()["v"][1].in_proj_bias[-method.clip.attentions()["v"][1].width :] = 0
    for i in range(2):
        task = toy(i, method.clip.normaliser())
        assert not task_grams(method.clip, task)["v"][7].any()
        method.before_task(task)
        method.after_task(task)
    assert method.protected["v"].rank[7] == 0 and method.protected["v"].U.isfinite().all()
    assert int(method.protected["v"].rank[:7].min()) > 0


def test_a_class_without_images_does_not_outweigh_all_others() -> None:
    """At w = 0, normalising had a gradient of 10^12: clipping then left nothing for anything else."""
    w = torch.nn.functional.normalize(torch.randn(3, 8), dim=-1)
    w[1] = 0
    head = CosineHead(w.clone())
    features = torch.nn.functional.normalize(torch.randn(6, 8), dim=-1)
    found = head(features)
    assert not found[:, 1].any()
    torch.testing.assert_close(found[:, [0, 2]], 30 * features @ w[[0, 2]].T)
    torch.nn.functional.cross_entropy(found, torch.tensor([0, 2] * 3)).backward()
    assert head.w.grad is not None
    norms = head.w.grad.norm(dim=-1)
    assert norms.isfinite().all() and norms[1] < 1000 * norms[0]


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_statistics_of_16_bit_features_do_not_overflow(kind: torch.dtype) -> None:
    """The largest number in fp16 is 65,504; sums of squares are far above it."""
    x = (1000 * torch.randn(2, 40, 8, generator=torch.Generator().manual_seed(0))).to(kind)
    flat = x.double().flatten(0, 1)
    for statistic in (Gram(), BatchMean()):
        statistic.add(x)
        found, expected = statistic.gram(), flat.T @ flat
        assert found.max() > 65504 and math.isfinite(float(found.sum()))
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=100.0)

"""LADA: its equations by loops, what is drawn for earlier classes, and who can win."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mid_task import goes_on_as_if_undisturbed
from numpy.typing import NDArray
from small_run import small_plan, small_run
from torch import Tensor, nn
from two_tasks import Watch, tiny_models

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.task import Batch, LabelSpace, Task, TrainingTask
from cl_bench.experiment.assemble import assemble
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.large_matrices import large_matrices
from cl_bench.experiment.resolve import resolve
from cl_bench.methods.class_centres import centres_of, nearness
from cl_bench.methods.feature_mixtures import Mixtures
from cl_bench.methods.lada import LADA
from cl_bench.methods.text_adapter import BranchBesideMLP, attach

Doubles = NDArray[np.float64]
NAMES = (("cat", "boat", "oak"), ("fish", "cat"), ("moon", "a lake", "sun"))
BATCH, SIZE = 6, 24


def tiny_clip() -> Clip:
    """A fresh one: LADA hangs its adapters into it."""
    return tiny_models(Watch(None))[0]


def toy(t: int, targets: Tensor | None = None, cropped: bool = False) -> TrainingTask:
    draw = torch.Generator().manual_seed(t)
    count = SIZE if targets is None else len(targets)
    pixels = torch.randint(256, (count, 3, 32, 32), generator=draw, dtype=torch.uint8)
    images = Images(pixels, torch.arange(count) % len(NAMES[t]) if targets is None else targets)
    labels = LabelSpace.from_templates(NAMES[t], ("a photo of a {}.",))
    task = Task(f"toy{t}", labels, images, images)
    return TrainingTask(task, tiny_clip().normaliser(), BATCH, draw, cropped=cropped)


def labels(*tasks: int) -> LabelSpace:
    return LabelSpace.union([toy(t).labels for t in tasks])


@cache
def some_images() -> Tensor:
    pixels = torch.randint(256, (40, 3, 32, 32), generator=torch.Generator().manual_seed(9))
    return tiny_clip().normaliser()(pixels.to(torch.uint8))


def begun(method: LADA, t: int, cropped: bool = False) -> TrainingTask:
    """Within a task whose adapters and centres have moved, as by training."""
    task = toy(t, cropped=cropped)
    method.before_task(task)
    torch.manual_seed(t)
    with torch.no_grad():
        for parameter in method.trainable_parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return task


def learned(*tasks: int, **settings: float) -> LADA:
    method = LADA(tiny_clip(), LADA.Config.model_validate({"clusters": 3, **settings}), Assets())
    for t in tasks:
        method.after_task(begun(method, t))
    return method


def doubles(tensor: Tensor) -> Doubles:
    return tensor.detach().double().numpy()


# The parts


def test_a_branch_stands_beside_the_mlp() -> None:
    clip = tiny_clip()
    block, x = clip.blocks()["t"][0], torch.randn(2, 5, 32)
    branch = BranchBesideMLP(32, 4, 0.1)
    before = block(x)
    handles = attach([block], [branch])
    assert torch.equal(block(x), before), "up is 0 at the start"
    for parameter in branch.parameters():
        nn.init.normal_(parameter, std=0.5)
    found, h = block(x), doubles(x + block.attention(block.ln_1(x)))  # type: ignore[operator]
    mean, variance = h.mean(-1, keepdims=True), h.var(-1, keepdims=True)
    normed = (h - mean) / np.sqrt(variance + 1e-5) * doubles(branch.norm.weight)
    hidden = (normed + doubles(branch.norm.bias)) @ doubles(branch.down.weight).T
    hidden = np.maximum(hidden + doubles(branch.down.bias), 0)
    y = hidden @ doubles(branch.up.weight).T + doubles(branch.up.bias)
    expected = doubles(before) + 0.1 * float(branch.s.detach()) * y
    np.testing.assert_allclose(doubles(found), expected, atol=1e-5)
    for handle in handles:
        handle.remove()
    assert torch.equal(block(x), before)


def test_centres_are_means_of_the_images_nearest_to_them() -> None:
    draw = torch.Generator().manual_seed(1)
    features = F.normalize(torch.randn(40, 6, generator=draw), dim=-1)
    targets = torch.tensor([0] * 36 + [1] * 3 + [3])
    centres, held = centres_of(features, targets, 4, most=5)
    assert held.sum(dim=-1).tolist() == [5, 3, 0, 1] and not centres[~held].any()
    own, found = doubles(features[:36]), doubles(centres[0])
    nearest = ((own[:, None] - found[None]) ** 2).sum(-1).argmin(-1)
    for k in range(5):
        np.testing.assert_allclose(found[k], own[nearest == k].mean(0), atol=1e-6)
    for x in features[36:39]:  # as many centres as images
        assert float((centres[1, :3] - x).norm(dim=-1).min()) < 1e-6
    assert float(centres[0].norm(dim=-1).max()) < 0.999, "not of unit length"


def test_nearness_by_loops() -> None:
    draw = torch.Generator().manual_seed(2)
    f, w = torch.randn(4, 5, generator=draw), torch.randn(3, 2, 5, generator=draw)
    held = torch.tensor([[True, True], [True, False], [False, False]])
    found = nearness(f, w, held, alpha=1.5, beta=0.7)
    for b in range(4):
        for c in range(3):
            terms = [
                1.5 * math.exp(-0.7 * (1 - float(f[b].double() @ w[c, k].double())))
                for k in range(2)
                if held[c, k]
            ]
            assert float(found[b, c]) == pytest.approx(sum(terms), rel=1e-5)


def test_drawn_features_have_the_stored_moments() -> None:
    draw = torch.Generator().manual_seed(3)
    targets = torch.arange(80) % 2
    features = 3 * torch.randn(80, 5, generator=draw) * (1 + targets[:, None]) + 2
    mixtures = Mixtures.fitted(features, targets, 2, 4)
    torch.manual_seed(0)
    draws = torch.stack([mixtures.drawn() for _ in range(4_000)])  # [T, C, m, D]
    sigma = mixtures.variances.sqrt()[..., None]
    assert ((draws.mean(dim=0) - mixtures.means).abs() < 6 * sigma / 4_000**0.5).all()
    ratio = draws.var(dim=0).mean(dim=-1) / mixtures.variances
    assert (ratio - 1).abs().max() < 0.1
    assert torch.allclose(mixtures.weights.sum(dim=-1), torch.ones(2))
    for c in range(2):  # those of all components together are those of the class
        own, pi = features[targets == c], mixtures.weights[c]
        mean = (pi[:, None] * mixtures.means[c]).sum(dim=0)
        assert torch.allclose(mean, own.mean(dim=0), atol=0.05)
        second = (pi * (5 * mixtures.variances[c] + mixtures.means[c].square().sum(dim=-1))).sum()
        assert float(second) == pytest.approx(float(own.square().sum(dim=-1).mean()), rel=0.05)


def test_classes_of_few_images_have_fewer_gaussians() -> None:
    targets = torch.tensor([0, 1, 1, 2, 2, 2, 4, 4, 4, 4, 4])
    features = torch.randn(11, 5, generator=torch.Generator().manual_seed(4))
    mixtures = Mixtures.fitted(features, targets, 5, 4)
    assert (mixtures.weights > 0).sum(dim=-1).tolist() == [1, 2, 3, 0, 4]
    assert torch.equal(mixtures.means[0, 0], features[0])
    assert all(t.isfinite().all() for t in (*vars(mixtures).values(), mixtures.drawn()))


# The loss


def loss_by_loops(method: LADA, batch: Batch, drawn: Tensor | None) -> float:
    """The weighted mean over images and drawn features of the cross-entropy over all classes so far."""
    c, clip = method.config, method.clip
    scale = clip.model.logit_scale.exp().item()
    with torch.no_grad():
        own = list(clip.encode_classes(batch.labels))
        samples = [(f, int(t), 1.0) for f, t in zip(clip.encode_images(batch.images), batch.targets,
                                                    strict=True)]  # fmt: skip
    assert method.W is not None
    classes = [(t, w.detach(), h) for t, w, h in zip(own, method.W, method.held, strict=True)]
    old = method.earlier
    if old is not None and drawn is not None:
        samples = [(f, t + len(old.texts), one) for f, t, one in samples]
        classes = [*zip(old.texts, old.centres, old.held, strict=True), *classes]
        for k, (of_class, shares) in enumerate(zip(drawn, old.mixtures.weights, strict=True)):
            for z, share in zip(of_class, shares, strict=True):
                samples.append((z / z.norm(), k, c.replay_weight * float(share)))
    total = 0.0
    for f, target, weight in samples:
        x = doubles(f)
        logits = []
        for text, centres, held in classes:
            near = [math.exp(-c.beta * (1 - float(x @ doubles(w)))) for w, h in
                    zip(centres, held, strict=True) if h]  # fmt: skip
            logits.append(scale * float(x @ doubles(text)) + c.alpha * sum(near))
        top = max(logits)
        total += weight * (top + math.log(sum(math.exp(v - top) for v in logits)) - logits[target])
    return total / len(samples)


@pytest.mark.parametrize("before", [(), (0,), (0, 2)])
def test_the_loss_by_loops(before: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    method = learned(*before, alpha=1.3, beta=0.6)
    batch = next(begun(method, 1).epoch())
    drawn = method.earlier.mixtures.drawn() if method.earlier else None
    monkeypatch.setattr(Mixtures, "drawn", lambda self: drawn)
    assert float(method.loss(batch).detach()) == pytest.approx(
        loss_by_loops(method, batch, drawn), rel=1e-4
    )
    if before:
        assert method.drawn_count == 4 * sum(len(NAMES[t]) for t in before)


def gradients(method: LADA, batch: Batch) -> list[Tensor]:
    method.clip.zero_grad(set_to_none=True)
    torch.manual_seed(5)
    parameters = list(method.trainable_parameters())
    return list(torch.autograd.grad(method.loss(batch), parameters))


def test_no_gradient_through_the_image_tower_is_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """As published, autograd builds and walks the tower's graph for gradients that nobody takes."""
    method = learned(0)
    batch = next(begun(method, 1, cropped=True).epoch())
    expected = gradients(method, batch)
    method.clip.model.visual.requires_grad_(True)
    built = []

    def with_a_graph(batch: Batch) -> Tensor:
        features = method.clip.encode_images(batch.images)
        built.append(features.requires_grad)
        return features

    assert not method._image_features(batch).requires_grad
    monkeypatch.setattr(method, "_image_features", with_a_graph)
    found = gradients(method, batch)
    assert built == [True] and len(found) == 7 * 2 + 1
    assert all(torch.equal(a, b) and a.any() for a, b in zip(found, expected, strict=True))


def test_remembered_features_are_those_of_the_batch() -> None:
    method = learned()
    plain = next(begun(method, 1).epoch())
    with torch.no_grad():
        fresh = method.clip.encode_images(plain.images)
    torch.testing.assert_close(method._image_features(plain), fresh, atol=1e-6, rtol=0)
    crops = next(begun(method, 1, cropped=True).epoch())
    with torch.no_grad():
        torch.testing.assert_close(
            method._image_features(crops), method.clip.encode_images(crops.images), atol=0, rtol=0
        )


# Inference


@torch.no_grad()
def answers(method: LADA, space: LabelSpace) -> Tensor:
    return method.classifier(space)(some_images())


@pytest.mark.parametrize("union", [(0, 1, 2), (2, 1, 0)])
def test_logits_over_all_tasks_by_loops(union: tuple[int, ...]) -> None:
    method, space, clip = learned(0, 1), labels(*union), tiny_clip()
    with torch.no_grad():
        features, own = clip.encode_images(some_images()), list(clip.encode_classes(space))
    near_of: list[tuple[Tensor, Tensor] | None] = [None] * len(own)
    first = 0
    for t in union:
        for k in range(len(NAMES[t])):
            if t != 2:
                memory = method.memories[NAMES[t]]
                own[first + k] = memory.texts[k]
                near_of[first + k] = (memory.centres[k], memory.held[k])
        first += len(NAMES[t])
    scale, seen = clip.model.logit_scale.exp().item(), set[bool]()
    for row, f in zip(answers(method, space), features, strict=True):
        x = doubles(f)
        text = [scale * float(x @ doubles(t)) for t in own]
        expected, is_learned = list(text), near_of[int(np.argmax(text))] is not None
        for j, centres in enumerate(near_of):
            if is_learned and centres is None:
                expected[j] -= 1e6
            if is_learned and centres is not None:
                expected[j] += sum(math.exp(-(1 - float(x @ doubles(w))))
                                   for w, h in zip(*centres, strict=True) if h)  # fmt: skip
        seen.add(is_learned)
        np.testing.assert_allclose(doubles(row), expected, atol=1e-4, rtol=1e-6)
    assert seen == {True, False}, "both cases were tried"


def test_unlearned_classes_never_win_where_the_text_points_at_a_learned_one() -> None:
    """With centres so weak that they would push the learned class below: their sum is added, not put in place."""
    method, space = learned(0, 1, alpha=50.0), labels(0, 1, 2)
    count = len(NAMES[0]) + len(NAMES[1])
    for memory in method.memories.values():
        memory.centres.neg_().mul_(40)  # huge and of either sign
    found = answers(method, space).argmax(dim=-1) < count
    clip = tiny_clip()
    texts = clip.encode_classes(space).detach()
    texts[:count] = torch.cat([m.texts for m in method.memories.values()])
    with torch.no_grad():
        points = clip.logits(clip.encode_images(some_images()), texts).argmax(dim=-1) < count
    assert torch.equal(found, points) and 0 < int(points.sum()) < len(points)


def test_a_task_that_is_not_learned_is_exactly_zero_shot() -> None:
    fresh = learned()
    assert torch.equal(answers(learned(0, 1), labels(2)), answers(fresh, labels(2)))
    assert not torch.equal(answers(learned(0, 1), labels(0)), answers(fresh, labels(0)))


def test_adapters_are_dropped_and_what_is_kept_stays() -> None:
    method = learned()
    task = begun(method, 0)
    with torch.no_grad():
        trained = method.clip.encode_classes(task.labels)
    method.after_task(task)
    assert torch.equal(method.memories[NAMES[0]].texts, trained)
    plain = tiny_clip().encode_classes(task.labels)
    assert torch.equal(method.clip.encode_classes(task.labels), plain), (
        "the towers are CLIP's again"
    )
    assert not torch.equal(trained, plain) and not list(method.trainable_parameters())
    kept = {name: t.clone() for name, t in method.memories[NAMES[0]].tensors().items()}
    method.after_task(begun(method, 1))
    assert all(torch.equal(kept[n], t) for n, t in method.memories[NAMES[0]].tensors().items())
    assert set(method.state_dict()) == {"memories"}, "nothing of a task stays behind it"


def test_the_same_classes_again_take_the_place_of_the_first() -> None:
    method = learned(0, 1)
    task = begun(method, 0)
    assert method.earlier is not None and len(method.earlier.texts) == len(NAMES[1])
    method.after_task(task)
    assert list(method.memories) == [NAMES[0], NAMES[1]]
    assert method.diagnostics() == {"classes": 5, "centres": 15}


@pytest.mark.parametrize("settings", [{"clusters": 0}, {"components": 0}])
def test_without_centres_or_replay_it_learns_too(settings: dict[str, float]) -> None:
    method = learned(0, **settings)
    batch = next(begun(method, 1).epoch())
    assert method.loss(batch).isfinite() and all(
        g.isfinite().all() for g in gradients(method, batch)
    )
    method.after_task(toy(1))
    assert answers(method, labels(0, 1, 2)).isfinite().all()


# Plans


def test_it_goes_on_in_the_middle_of_a_task_of_crops(tmp_path: Path) -> None:
    goes_on_as_if_undisturbed(small_plan("lada", preset="paper"), tmp_path)


def test_the_published_steps_and_what_is_stored(tmp_path: Path) -> None:
    chosen = {"suite": "mtil", "method": "lada", "device": "cpu"}
    config = resolve(Choices.model_validate(chosen)).config
    epochs = {
        "Aircraft": (60, 3_334), "Caltech101": (20, 6_941), "CIFAR100": (10, 50_000), "DTD": (30, 1_880),
        "EuroSAT": (20, 21_600), "Flowers": (40, 1_020), "Food": (10, 75_750), "MNIST": (20, 60_000),
        "OxfordPet": (10, 3_680), "StanfordCars": (20, 8_144), "SUN397": (2, 87_003),
    }  # fmt: skip
    assert config.budget.steps == {t: e * -(-n // 64) for t, (e, n) in epochs.items()}
    assert resolve(Choices.model_validate({**chosen, "order": "II"})).config.budget.steps == (
        config.budget.steps
    )
    assert (config.recipe.lr, config.recipe.weight_decay) == (1e-3, 5e-4)
    tail = resolve(Choices(suite="x-tail", method="lada", preset="fair", device="cpu"))
    found = large_matrices(tail, 512)
    flowers = 102 * (16 - 10)  # Flowers has ten images a class
    numbers = 1_101 * (512 + 16 * 512 + 4 * 514) - flowers * 512
    assert found is not None and found.stored == 4 * numbers + 1_101 * 16 - flowers
    plan = small_plan("lada")
    small_run(plan, tmp_path)
    (file,) = tmp_path.rglob("*.safetensors")
    foreseen = large_matrices(plan, 96)
    assert foreseen is not None and file.stat().st_size < foreseen.stored + 5_000


def test_classes_with_too_few_images_are_said_before_anything_is_learned() -> None:
    plan = resolve(Choices(suite="mini", method="lada", tasks=1, shots=2, device="cpu"))
    (words,) = [r for r in assemble(plan).stream.remarks if r.startswith("lada")]
    assert "lada: 10 of 10 classes of mini-" in words
    assert "have fewer than 4 training images (the fewest: 2), so as many Gaussians" in words
    assert LADA.Config().remarks({"t": [4, 9]}, 96) == () and LADA.Config().remarks(
        {"t": [9, 0]}, 96
    )
    assert LADA.Config(components=2).remarks({"t": [2, 3]}, 96) == ()

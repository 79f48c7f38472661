"""GIFT's terms against loops in float64, its two gradients against two backward passes, its teacher."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small_run import small_plan
from torch import Tensor
from toy_task import stirred, toy
from two_tasks import Watch, tiny_models

from cl_bench.benchmark.assets import Assets, Pairs
from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.estimate import forecast as parts_of_forecast
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.precision import autocast
from cl_bench.benchmark.task import Batch, TrainingTask
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.forecast import forecast
from cl_bench.experiment.resolve import resolve
from cl_bench.methods.adaptive_consolidation import consolidate
from cl_bench.methods.gift import GIFT, GIFTConfig, shared_targets
from cl_bench.methods.reference_pairs import PairBatch, ReferencePairs

PROMPTS = ("a photo of a dog.", "two boats", "a photo of a dog.", "snow", "a cat", "two boats")
DRAWN = torch.randint(
    256, (6, 3, 32, 32), generator=torch.Generator().manual_seed(3), dtype=torch.uint8
)


def tiny_clip() -> Clip:
    return tiny_models(Watch(None))[0]


def started(**settings: Any) -> tuple[GIFT, TrainingTask]:
    """Within its first task, away from where it started."""
    clip = tiny_clip()
    images = Images(DRAWN, torch.zeros(6).long())
    rows = {"toy0": torch.arange(6), "toy1": torch.tensor([5, 3, 1])}
    method = GIFT(clip, GIFTConfig(**settings), Assets(pairs=Pairs(images, PROMPTS, rows)))
    task = toy(0, clip.normaliser())
    torch.manual_seed(0)
    method.before_task(task)
    stirred(method, 0.01)
    return method, task


def drawn(method: GIFT, task: TrainingTask) -> tuple[Batch, PairBatch]:
    assert method.pairs is not None
    return next(task.epoch()), next(method.pairs)


def softmax(row: list[float]) -> list[float]:
    most = max(row)
    powers = [math.exp(x - most) for x in row]
    return [p / sum(powers) for p in powers]


def cross_entropy(targets: list[list[float]], logits: list[list[float]]) -> float:
    """Mean over rows of −Σ t log softmax(s)."""
    losses = [
        -sum(t * math.log(p) for t, p in zip(target, softmax(row), strict=True))
        for target, row in zip(targets, logits, strict=True)
    ]
    return sum(losses) / len(losses)


def similarities(images: Tensor, texts: Tensor) -> list[list[float]]:
    """100 times the cosines, pair by pair."""
    return [
        [100 * sum(x * y for x, y in zip(i, t, strict=True)) / (math.hypot(*i) * math.hypot(*t))
         for t in texts.double().tolist()]
        for i in images.double().tolist()
    ]  # fmt: skip


def turned(rows: list[list[float]]) -> list[list[float]]:
    return [list(column) for column in zip(*rows, strict=True)]


def test_both_terms_on_pairs_are_those_of_loops_in_float64() -> None:
    method, task = started()
    _, pairs = drawn(method, task)
    with torch.no_grad():
        terms = method.terms(pairs)
        images = method.clip.encode_images(pairs.images)
        texts = method.clip.encode_text(pairs.tokens)
        scale = float(method.clip.model.logit_scale.exp())
    S, Q = similarities(images, texts), similarities(pairs.I_t, pairs.T_t)
    S, Q = ([[scale / 100 * x for x in row] for row in of] for of in (S, Q))
    distilled = 0.0
    for student, teacher in ((S, Q), (turned(S), turned(Q))):
        soft = [softmax([x / 2 for x in row]) for row in teacher]
        distilled += 4 * cross_entropy(soft, [[x / 2 for x in row] for row in student])
    assert float(terms["distillation"]) == pytest.approx(distilled, rel=1e-4)
    names, B = pairs.prompts.tolist(), len(pairs.prompts)
    Y = [
        [0.8 * (a == b) / names.count(a) + 0.2 / B for b in names]  # label smoothing 0.2
        for a in names
    ]
    aligned = cross_entropy(Y, S) + cross_entropy(Y, turned(S))
    assert float(terms["alignment"]) == pytest.approx(aligned, rel=1e-4)


def test_the_same_prompt_twice_shares_its_mass() -> None:
    Y = shared_targets(torch.tensor([4, 1, 4, 2, 4]))
    third = 1 / 3
    expected = [[third, 0, third, 0, third], [0, 1, 0, 0, 0], [third, 0, third, 0, third],
                [0, 0, 0, 1, 0], [third, 0, third, 0, third]]  # fmt: skip
    torch.testing.assert_close(Y, torch.tensor(expected))


def test_prompts_are_the_same_where_their_words_are() -> None:
    method, _ = started()
    assert method.pairs is not None
    for pairs in (next(method.pairs) for _ in range(4)):
        same = [[bool((a == b).all()) for b in pairs.tokens] for a in pairs.tokens]
        assert (pairs.prompts[:, None] == pairs.prompts).tolist() == same
        assert len(pairs.prompts) in (4, 2), "the last of a pass is smaller"


def penalty_of(g: list[Tensor], theta: list[Tensor], start: list[Tensor]) -> float:
    """AWC, number by number."""
    total = 0.0
    for of in zip(g, theta, start, strict=True):
        numbers = list(zip(*(t.double().flatten().tolist() for t in of), strict=True))
        mean = sum(x**2 for x, _, _ in numbers) / len(numbers)
        total += sum(x**2 / mean * (t - s) ** 2 for x, t, s in numbers if x)
    return total


def test_the_penalty_is_the_formula_tensor_by_tensor() -> None:
    draw = torch.Generator().manual_seed(1)
    shapes = [(3, 4), (5,), (2, 2, 3)]
    scales = [1e-9, 1.0, 1e6]
    g = [s * torch.randn(*of, generator=draw) for s, of in zip(scales, shapes, strict=True)]
    theta, start = ([torch.randn(*of, generator=draw) for of in shapes] for _ in range(2))
    before = [of.double() for of in g]
    value = consolidate(g, theta, start, 0.7, [None] * 3)
    assert float(value) == pytest.approx(0.7 * penalty_of(before, theta, start), rel=1e-5)
    for i, of in enumerate(before):  # F is held where it is
        pull = 2 * of**2 / (of**2).mean() * (theta[i] - start[i]).double()
        torch.testing.assert_close(g[i].double(), of + 0.7 * pull, rtol=1e-5, atol=1e-5)


def test_a_tensor_without_a_gradient_is_not_held() -> None:
    g = torch.zeros(3)
    assert float(consolidate([g], [torch.ones(3)], [torch.zeros(3)], 1.0, [None])) == 0
    assert not g.any()


def test_rows_without_a_gradient_may_be_left_out() -> None:
    draw = torch.Generator().manual_seed(2)
    g, theta, start = (torch.randn(6, 4, generator=draw) for _ in range(3))
    g[[0, 3, 4]] = 0
    whole, few = g.clone(), g.clone()
    value = consolidate([whole], [theta], [start], 0.7, [None])
    part = consolidate([few], [theta], [start], 0.7, [torch.tensor([1, 2, 4, 5])])
    torch.testing.assert_close(part, value)
    torch.testing.assert_close(few, whole)


def as_published(
    method: GIFT, batch: Batch, pairs: PairBatch
) -> tuple[Tensor, dict[str, Tensor | None]]:
    """The loss, and the gradients of two backward passes: of the pairs', then of the task's part."""
    c, weights = method.config, method.weights
    terms = method.terms(pairs)
    held = c.distillation * terms["distillation"] + c.alignment * terms["alignment"]
    held.backward()
    tokens = method.clip.tokenize([prompts[0] for prompts in batch.labels.prompts])
    classes = F.normalize(method.clip.encode_text(tokens), dim=-1)
    logits = method.clip.logits(method.clip.encode_images(batch.images), classes)
    rest = F.cross_entropy(logits, batch.targets, label_smoothing=c.label_smoothing)
    assert method.teacher is not None
    start = method.teacher.weights()
    for name, weight in weights.items():
        assert weight.grad is not None
        squared = weight.grad.detach() ** 2
        importance = squared / squared.mean()
        rest = rest + c.consolidation * (importance * (weight - start[name]) ** 2).sum()
    rest.backward()
    found = {name: weight.grad for name, weight in weights.items()}
    method.clip.zero_grad(set_to_none=True)
    return (held + rest).detach(), found


@pytest.mark.parametrize("scale", [1.0, 65536.0])
def test_one_backward_pass_gives_both_gradients(scale: float) -> None:
    """Also where the loss is scaled, as in fp16: the scale is taken out of all of it at once."""
    method, task = started(distillation=0.7, alignment=0.4, consolidation=2.0)
    batch, pairs = drawn(method, task)
    value, expected = as_published(method, batch, pairs)
    method.pairs = iter([pairs])  # type: ignore[assignment]
    loss = method.loss(batch)
    torch.testing.assert_close(loss.detach(), value, rtol=1e-5, atol=1e-5)
    (scale * loss).backward()
    for name, weight in method.weights.items():
        ours, theirs = weight.grad, expected[name]
        assert ours is not None and theirs is not None
        assert (ours / scale - theirs).abs().max() < 1e-4 * theirs.abs().max() + 1e-6, name


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_the_pairs_part_is_in_float32_whatever_the_precision(precision: str) -> None:
    method, task = started()
    _, pairs = drawn(method, task)
    plain = method._held(pairs)
    with autocast("cpu", precision):
        assert torch.equal(method._held(pairs), plain)


def test_the_teacher_is_the_model_before_the_task_and_so_is_the_anchor() -> None:
    method, task = started()
    first = tiny_clip().weights()
    assert method.teacher is not None
    assert all(torch.equal(w, first[n]) for n, w in method.teacher.weights().items())
    method.after_task(task)
    assert method.teacher is None and method.pairs is None, "freed"
    learned = {n: w.detach().clone() for n, w in method.weights.items()}
    method.before_task(toy(1, method.clip.normaliser()))
    assert all(torch.equal(w, learned[n]) for n, w in method.teacher.weights().items())
    assert not any(w.requires_grad for w in method.teacher.parameters())
    assert method.pairs is not None
    assert next(method.pairs).images.shape[0] == 3, "the second task has pairs of its own"


def test_remembered_features_are_fresh_ones() -> None:
    teacher: Clip = copy.deepcopy(tiny_clip())
    normalise = teacher.normaliser()
    pairs = ReferencePairs(Images(DRAWN, torch.zeros(6).long()), PROMPTS, normalise, teacher)
    shown = {tuple(x.flatten().tolist()): p for x, p in zip(normalise(DRAWN), PROMPTS, strict=True)}
    batches = pairs.batches(4, torch.Generator().manual_seed(0))
    for batch in (next(batches) for _ in range(4)):
        prompts = [shown[tuple(x.flatten().tolist())] for x in batch.images]
        with torch.no_grad():
            I_t = teacher.encode_images(batch.images)
            T_t = F.normalize(teacher.encode_text(teacher.tokenize(prompts)), dim=-1)
        torch.testing.assert_close(batch.I_t, I_t, atol=1e-5, rtol=0)
        torch.testing.assert_close(batch.T_t, T_t, atol=1e-5, rtol=0)


def test_needs_follow_the_settings_and_importance_needs_a_source() -> None:
    assert GIFTConfig().needs() == ("image-text pairs",)
    assert GIFTConfig(reference="images").needs() == ("reference images with classes",)
    off: dict[str, Any] = {"distillation": 0, "alignment": 0}
    assert GIFTConfig(**off, consolidation=0).needs() == ()
    with pytest.raises(UserError, match=r"consolidation takes its weights .* consolidation to 0"):
        small_plan("gift", overrides=("distillation=0", "alignment=0"))


@pytest.mark.parametrize("order", ["I", "II"])
def test_published_runs(order: str, references: dict[str, Path]) -> None:
    chosen = Choices.model_validate(
        {"suite": "mtil", "method": "gift", "order": order, "device": "cpu", **references}
    )
    config = resolve(chosen).config
    assert sum(config.budget.steps.values()) == 11 * 1001 and config.budget.batch_size == 64
    assert {t: config.recipe.lr_of(t) for t in config.tasks} == {
        t: 5e-5 if t in ("Aircraft", "MNIST") else 1e-5 for t in config.tasks
    }
    assert config.recipe.weight_decay == 0 and config.recipe.schedule == "warmup_cosine"
    p = config.protocol
    assert (p.prompts, p.augment, p.wording) == ("ensemble", "random_resized_crop", "zscl")
    assert p.precision == "fp32"
    assert config.extra_data["image-text pairs"].startswith("128 image-text pairs")
    assert config.method_settings == {
        "label_smoothing": 0.2, "distillation": 1.0, "temperature": 2.0, "alignment": 0.25,
        "consolidation": 1.0, "reference": "pairs",
    }  # fmt: skip


def test_the_dry_run_tells_work_and_bytes_of_the_published_runs(
    references: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of its first two tasks on ViT-B/16, without a measurement of this machine."""
    monkeypatch.setattr(parts_of_forecast, "measure_rates", lambda *_: np.ones(4))
    chosen = {"suite": "mtil", "method": "gift", "device": "cpu", "tasks": 2, **references}
    found = forecast(resolve(Choices.model_validate(chosen)))
    model = 4 * 149_620_736
    assert model < found.checkpoint < model + 100_000, "the weights; nothing is kept of a task"
    images, prompts = 3 * 128 * 35.1e9, 3 * (64 + 100.5) * 5.96e9  # at most: prompts are cut
    step = found.work["train"][0] / 2 / 1001
    assert images < step < images + prompts

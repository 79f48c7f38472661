"""ZSCL's exact accelerations against the step written the long way, and what its siblings are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from golden_clip import golden_clip
from torch import Tensor

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.task import Batch, LabelSpace, Task, TrainingTask
from cl_bench.methods.distillation import soft_cross_entropy
from cl_bench.methods.zscl import ZSCL, ZSCLConfig, squared_distance

TEXTS = ("a dog on the grass", "two boats", "a very long sentence about nothing at all", "snow")
LABELS = LabelSpace.from_templates(("cat", "steam engine", "oak"), ("a photo of a {}.",))


def pixels(count: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(256, (count, 3, 32, 32), generator=generator, dtype=torch.uint8)


def training_task(clip: Clip) -> TrainingTask:
    images = Images(pixels(9, 1), torch.arange(9) % 3)
    generator = torch.Generator().manual_seed(0)
    return TrainingTask(
        Task("toy", LABELS, images, images), clip.normaliser(), 4, generator, cropped=True
    )


def started(**settings: object) -> tuple[ZSCL, TrainingTask]:
    clip = golden_clip()
    reference = Images(pixels(10, 2), torch.zeros(10).long())
    method = ZSCL(clip, ZSCLConfig(**settings), Assets(images=reference, texts=TEXTS))  # type: ignore[arg-type]
    task = training_task(clip)
    torch.manual_seed(0)
    method.before_task(task)
    return method, task


def long_way(method: ZSCL, batch: Batch, x_r: Tensor, teacher: Clip) -> dict[str, Tensor]:
    """One step as published: nothing remembered, all 77 positions, two forward passes, plain l2."""
    clip = method.clip
    with torch.no_grad():
        R = F.normalize(teacher.encode_text(teacher.tokenize(TEXTS)), dim=-1)
        F_T = teacher.encode_images(x_r)
    prompts = [prompts[0] for prompts in batch.labels.prompts]
    T = F.normalize(clip.encode_text(clip.tokenize(prompts)), dim=-1)
    logits = clip.logits(clip.encode_images(batch.images), T)
    S, Q = clip.logits(clip.encode_images(x_r), R), clip.logits(F_T, R)
    pairs = [(w, method.start[n]) for n, w in method.weights.items()]
    return {
        "ce": F.cross_entropy(logits, batch.targets, label_smoothing=0.2),
        "image": soft_cross_entropy(Q, S, 2.0),
        "text": soft_cross_entropy(Q.T, S.T, 2.0),
        "l2": torch.stack([(w - s).square().sum() for w, s in pairs]).sum(),
    }


def gradients(method: ZSCL, terms: dict[str, Tensor]) -> dict[str, Tensor]:
    torch.stack(list(terms.values())).sum().backward()
    found = {n: w.grad.clone() for n, w in method.weights.items() if w.grad is not None}
    method.clip.zero_grad(set_to_none=True)
    return found


def test_every_acceleration_is_exact() -> None:
    """Remembered teacher, cut prompts, one forward pass and the written gradient change nothing."""
    method, task = started()
    assert method.teacher is not None
    with torch.no_grad():
        for weight in method.weights.values():  # away from the start, where l2 is not zero
            weight.add_(0.01 * torch.randn_like(weight))
    for batch in task.epoch():
        x_r, F_T = next(method.references)
        method.references = iter([(x_r, F_T)] * 2)
        ours = method.terms(batch)
        theirs = long_way(method, batch, x_r, method.teacher)
        for name, term in theirs.items():
            torch.testing.assert_close(ours[name], term, rtol=1e-5, atol=1e-5)
        fast, slow = gradients(method, ours), gradients(method, theirs)
        assert fast.keys() == slow.keys() == method.weights.keys()
        for name, gradient in slow.items():
            assert (fast[name] - gradient).abs().max() < 1e-5 * gradient.abs().max() + 1e-6, name
        method.references = method._external_references(4)


def test_the_teacher_sees_every_reference_image_and_text_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    method, task = started()
    teacher, seen = method.teacher, [0, 0]
    assert teacher is not None
    encode_images, encode_text = teacher.encode_images, teacher.encode_text

    def images(x: Tensor) -> Tensor:
        seen[0] += len(x)
        return encode_images(x)

    def texts(tokens: Tensor) -> Tensor:
        seen[1] += len(tokens)
        return encode_text(tokens)

    monkeypatch.setattr(teacher, "encode_images", images)
    monkeypatch.setattr(teacher, "encode_text", texts)
    for _ in range(2):
        for _, batch in zip(range(7), task.endless(), strict=False):
            method.terms(batch)
        method.after_task(task)
        method.before_task(task)
    assert seen[0] == 10
    assert seen[1] == 0, "the texts were encoded when the first task began"
    with torch.no_grad():
        expected = encode_images(method.normalise(pixels(10, 2)))
    assert method.F_T is not None
    found = method.F_T.of(torch.arange(10))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_squared_distance_equals_autograd() -> None:
    weights = [torch.randn(5, 3, requires_grad=True), torch.randn(4, requires_grad=True)]
    start = [torch.randn(5, 3), torch.randn(4)]
    distance = 0.7 * squared_distance(weights, start)
    ours = torch.autograd.grad(distance, weights)
    plain = sum(
        ((w - s).square().sum() for w, s in zip(weights, start, strict=True)), torch.zeros(())
    )
    theirs = torch.autograd.grad(0.7 * plain, weights)
    torch.testing.assert_close(distance, 0.7 * plain)
    torch.testing.assert_close(ours, theirs)


def test_squared_distance_is_right_to_the_last_digits_over_a_token_table() -> None:
    """49,408 x 512 as in ViT-B/16, where a plain float32 dot product is wrong in the third digit."""
    difference = 0.01 * torch.randn(49_408, 512, generator=torch.Generator().manual_seed(0))
    distance = squared_distance([difference], [torch.zeros_like(difference)])
    expected = difference.double().square().sum()
    torch.testing.assert_close(distance.double(), expected, rtol=1e-6, atol=0)


def test_no_gradient_from_distillation_reaches_the_text_tower() -> None:
    method, task = started(l2=0)
    terms = method.terms(next(task.epoch()))
    (terms["image"] + terms["text"]).backward()
    reached = {n for n, w in method.weights.items() if w.grad is not None and w.grad.any()}
    assert reached and all(name.startswith("visual.") for name in reached)


def test_lwf_distils_from_the_previous_model_on_plain_task_images() -> None:
    method, task = started(
        teacher="previous",
        reference_images="task",
        reference_texts="prompts",
        l2=0,
        ensemble_every=0,
    )
    x_r, F_T = next(method.references)
    plain = {tuple(x.flatten().tolist()) for x in method.normalise(pixels(9, 1))}
    assert all(tuple(x.flatten().tolist()) in plain for x in x_r), "not augmented"
    with torch.no_grad():
        for weight in method.weights.values():
            weight.add_(0.02 * torch.randn_like(weight))
        moved = method.clip.encode_images(x_r)
    method.after_task(task)
    method.before_task(task)
    x_r2, F_T2 = next(method.references)
    with torch.no_grad():
        torch.testing.assert_close(F_T2, method.clip.encode_images(x_r2), atol=1e-5, rtol=0)
    assert not torch.allclose(moved, F_T, atol=1e-2), "the first task's teacher was CLIP"


def test_random_texts_lie_between_start_and_end() -> None:
    method, _ = started(reference_texts="random", teacher="previous")
    assert method.R is not None and method.R.shape == (1000, 48)
    first = method.R.clone()
    torch.testing.assert_close(first.norm(dim=-1), torch.ones(1000))
    method.before_task(training_task(method.clip))
    assert not torch.equal(method.R, first), "drawn anew for every task"


def test_wise_ft_and_the_average_mix_as_said() -> None:
    def ended(**settings: object) -> tuple[ZSCL, dict[str, Tensor], list[dict[str, Tensor]]]:
        method, task = started(image_distillation=0, text_distillation=0, l2=0, **settings)
        start, path = {n: w.detach().clone() for n, w in method.weights.items()}, []
        for step in range(1, 6):
            with torch.no_grad():
                for weight in method.weights.values():
                    weight.add_(0.1 * torch.randn_like(weight))
            path.append({n: w.detach().clone() for n, w in method.weights.items()})
            method.after_step(step)
        method.after_task(task)
        return method, start, path

    name = "visual.proj"
    method, start, path = ended(ensemble_every=0, wise_alpha=0.8)
    torch.testing.assert_close(method.weights[name].data, 0.8 * path[-1][name] + 0.2 * start[name])
    method, start, path = ended(ensemble_every=2)  # after steps 1, 3 and 5, and the start
    mean = (start[name] + path[0][name] + path[2][name] + path[4][name]) / 4
    torch.testing.assert_close(method.weights[name].data, mean)


def test_needs_follow_the_settings() -> None:
    assert ZSCLConfig().needs() == ("reference images", "reference texts")
    assert ZSCLConfig(reference_images="task").needs() == ("reference texts",)
    assert ZSCLConfig(image_distillation=0, text_distillation=0).needs() == ()


def test_generators_leave_gradients_on() -> None:
    """A generator that yields inside no_grad would switch gradients off for its caller."""
    for settings in ({}, {"reference_images": "task"}):
        method, _ = started(**settings)
        references: Iterator[tuple[Tensor, Tensor]] = method.references
        next(references)
        assert torch.is_grad_enabled()

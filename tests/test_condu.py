"""ConDU's experts: what they start from, what is stored of them, and to which an image is given."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from toy_task import LABELS, stirred, toy
from two_tasks import Watch, tiny_models

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.estimate import forecast as parts_of_forecast
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.task import LabelSpace, Task, TrainingTask
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.forecast import forecast
from cl_bench.experiment.resolve import Plan, resolve
from cl_bench.methods.class_prototypes import class_prototypes
from cl_bench.methods.condu import ConDU, ConDUConfig

KINDS: list[dict[str, Any]] = [
    {}, {"tuned": "lora", "rank": 3}, {"tuned": "lora", "rank": 3, "variant": "product"},
]  # fmt: skip


def tiny_clip() -> Clip:
    return tiny_models(Watch(None))[0]


def condu(**settings: Any) -> ConDU:
    return ConDU(tiny_clip(), ConDUConfig(**settings), Assets())


NAMES = (
    ("cat", "boat", "oak"),
    ("tram", "snow", "sea"),
    ("pie", "egg", "tea"),
    ("ant", "bee", "elk"),
)


def task(method: ConDU, number: int) -> TrainingTask:
    """Twelve images of noise around a brightness of the task's own."""
    draw = torch.Generator().manual_seed(number)
    low = 50 * number
    pixels = torch.randint(low, low + 60, (12, 3, 32, 32), generator=draw, dtype=torch.uint8)
    images = Images(pixels, torch.arange(12) % 3)
    labels = LabelSpace.from_templates(NAMES[number], ("a photo of a {}.",))
    generator = torch.Generator().manual_seed(number)
    of = Task(f"task {number}", labels, images, images)
    return TrainingTask(of, method.clip.normaliser(), 4, generator)


def learn(method: ConDU, *numbers: int) -> list[Tensor]:
    """Move what trains; returns the logits of a mixed batch by each task's model as it was trained."""
    trained = []
    for number in numbers:
        of = task(method, number)
        torch.manual_seed(number)
        method.before_task(of)
        stirred(method, 0.05)
        method.tuned.learn()
        trained.append(plain_logits(method, of.labels))
        method.after_task(of)
    return trained


def mixed(method: ConDU) -> Tensor:
    """Two images of every task, in turn."""
    return torch.cat([next(task(method, i).epoch()).images[:2] for i in (0, 3, 1, 2)])


@torch.no_grad()
def plain_logits(method: ConDU, labels: LabelSpace) -> Tensor:
    """By the weights that are in place."""
    return method.clip.logits(
        method.clip.encode_images(mixed(method)), method.clip.encode_classes(labels)
    )


@torch.no_grad()
def logits(method: ConDU, labels: LabelSpace) -> Tensor:
    return method.classifier(labels)(mixed(method))


@pytest.mark.parametrize("settings", KINDS)
def test_the_first_task_is_classified_by_its_fine_tuned_model(settings: dict[str, Any]) -> None:
    """Not by the pre-trained one, as the published evaluation does after one task."""
    method = condu(**settings)
    labels = task(method, 0).labels
    zero_shot = logits(method, labels)
    assert torch.equal(zero_shot, plain_logits(condu(), labels))
    (trained,) = learn(method, 0)
    found = logits(method, labels)
    torch.testing.assert_close(found, trained, atol=2e-4, rtol=0)
    assert (found - zero_shot).abs().max() > 0.02


@pytest.mark.parametrize("settings", KINDS)
def test_every_task_starts_from_the_pretrained_model(settings: dict[str, Any]) -> None:
    method = condu(**settings)
    learn(method, 0, 1)
    logits(method, task(method, 0).labels)  # an expert is in place
    method.before_task(task(method, 2))
    fresh = tiny_clip().weights()
    assert all(torch.equal(w, fresh[n]) for n, w in method.clip.weights().items())


@pytest.mark.parametrize("settings", KINDS)
def test_classifying_within_a_task_leaves_what_trains(settings: dict[str, Any]) -> None:
    method = condu(**settings)
    learn(method, 0)
    of = task(method, 1)
    method.before_task(of)
    stirred(method, 0.02)
    batch, before = next(of.epoch()), [p.clone() for p in method.trainable_parameters()]
    loss = method.loss(batch)
    for number in (0, 1):
        assert logits(method, task(method, number).labels).isfinite().all()
    assert torch.equal(method.loss(batch), loss)
    pairs = zip(method.trainable_parameters(), before, strict=True)
    assert all(torch.equal(p, b) for p, b in pairs)


def test_released_factors_are_measured_from_a_draw_that_they_do_not_start_from() -> None:
    method = condu(tuned="lora", rank=3)
    other = condu(tuned="lora", rank=3)
    method.before_task(toy(0, method.clip.normaliser()))
    starts, fixed = method.tuned.state_dict(), method.tuned._start
    assert fixed.keys() == starts.keys() and len(fixed) == 2 * len(method.tuned._matrices)
    for name, start in fixed.items():
        assert torch.equal(start, other.tuned._start[name]), "the same in every run"
        assert not torch.equal(start, starts[name])
    both = torch.cat([f.flatten() for f in (*fixed.values(), *starts.values())])
    assert float(both.std()) == pytest.approx(0.01, rel=0.02) and abs(float(both.mean())) < 5e-4
    delta = method.tuned.end()
    assert all(torch.equal(delta[name], starts[name] - fixed[name]) for name in fixed)


def test_the_product_starts_at_the_pretrained_model_and_unifies_what_it_adds() -> None:
    method = condu(tuned="lora", rank=3, variant="product")
    of = task(method, 0)
    zero_shot = plain_logits(method, of.labels)
    method.before_task(of)
    assert torch.equal(plain_logits(method, of.labels), zero_shot)
    stirred(method, 0.02)
    factors = {name: f.clone() for name, f in method.tuned.state_dict().items()}
    method.after_task(of)
    block = method.clip.blocks()["t"][1]
    expected = factors["t.1.c_proj.B"].double() @ factors["t.1.c_proj.A"].double()
    found = method.deltas.unified["t.1.c_proj"]
    assert found.shape == block.mlp.c_proj.weight.shape  # type: ignore[union-attr]
    torch.testing.assert_close(found.double(), expected, atol=1e-6, rtol=1e-4)


def test_prototypes_are_those_of_loops_in_float64() -> None:
    method = condu()
    of = task(method, 1)
    found = class_prototypes(method.clip, of)
    with torch.no_grad():
        texts = method.clip.encode_classes(of.labels).double().tolist()
        batches = [(method.clip.encode_images(b.images).double(), b.targets) for b in of.epoch()]
    seen = [(f.tolist(), int(t)) for features, targets in batches
            for f, t in zip(features, targets, strict=True)]  # fmt: skip
    for c, text in enumerate(texts):
        own = [feature for feature, target in seen if target == c]
        mean = [sum(column) / len(own) for column in zip(*own, strict=True)]
        both = [(m + t) / 2 for m, t in zip(mean, text, strict=True)]
        unit = [x / math.hypot(*both) for x in both]
        assert found[c].tolist() == pytest.approx(unit, abs=1e-5)


def by_hand(method: ConDU, labels: LabelSpace, count: int) -> Tensor:
    """Every expert computes every image; then each image takes θ₀ and the nearest experts."""
    images, every = mixed(method), []
    with torch.no_grad():
        for which in (None, *range(len(method.keys))):
            method._place(which)
            every.append(plain_logits(method, labels).double())
        method._place(None)
        features = method.clip.encode_images(images).double()
    found = []
    for row, feature in enumerate(features):
        best = [max(float(feature @ p) for p in own.double()) for own in method.prototypes]
        chosen = sorted(range(len(best)), key=lambda i: -best[i])[:count]
        rows = [every[0][row], *(every[1 + i][row] for i in chosen)]
        found.append(sum(rows[1:], rows[0]) / len(rows))
    return torch.stack(found)


@pytest.mark.parametrize(("settings", "count"), [({"chosen": 2}, 2), ({}, 3), ({"chosen": 1}, 1)])
def test_only_the_chosen_experts_are_run_and_the_mean_is_that_of_running_all(
    settings: dict[str, Any], count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = condu(**settings)
    learn(method, 0, 1, 2)
    labels = task(method, 3).labels
    expected = by_hand(method, labels, count)
    classify, seen = method.classifier(labels), list[int]()
    encode = method.clip.encode_images

    def counted(images: Tensor) -> Tensor:
        seen.append(len(images))
        return encode(images)

    monkeypatch.setattr(method.clip, "encode_images", counted)
    with torch.no_grad():
        found = classify(mixed(method))
        alone = torch.cat([classify(image[None]) for image in mixed(method)])
    torch.testing.assert_close(found.double(), expected, atol=2e-4, rtol=0)
    torch.testing.assert_close(alone, found, atol=2e-4, rtol=0)
    together = seen[: len(seen) - 8 * (1 + count)]
    assert sum(together) == 8 * (1 + count) and together[0] == 8
    if count == 1:
        assert len(together) > 2, "images of one batch go different ways"


def test_told_nothing_every_image_is_given_to_the_nearest() -> None:
    told, agnostic = condu(chosen=1), condu(chosen=1, inference="agnostic")
    learn(told, 0, 1)
    learn(agnostic, 0, 1)
    labels = task(told, 0).labels
    torch.testing.assert_close(
        logits(agnostic, labels).double(), by_hand(agnostic, labels, 1), atol=2e-4, rtol=0
    )
    assert not torch.allclose(logits(told, labels), logits(agnostic, labels), atol=1e-2)


def test_a_task_of_other_classes_is_not_taken_for_a_learned_one() -> None:
    method = condu()
    learn(method, 0)
    part = LabelSpace(LABELS.classnames[:2], LABELS.prompts[:2])
    torch.testing.assert_close(
        logits(method, part).double(), by_hand(method, part, 1), atol=2e-4, rtol=0
    )


def mtil(method: str, **choices: Any) -> Plan:
    return resolve(
        Choices.model_validate({"suite": "mtil", "method": method, "device": "cpu", **choices})
    )


def test_published_budgets_and_rates() -> None:
    for name in ("condu", "condu-lora"):
        config = mtil(name, order="I").config
        assert set(config.budget.steps.values()) == {1001} and config.budget.batch_size == 64
        p = config.protocol
        assert (p.prompts, p.augment, p.wording) == ("ensemble", "random_resized_crop", "zscl")
        assert p.precision == "fp32" and config.recipe.weight_decay == 0
        assert config.caveats[0].startswith("the task of a test image is told")
    rates = [1e-3, 5e-4, 2e-3, 2e-3, 1.5e-4, 1e-5, 2e-3, 1e-3, 1.5e-4, 2e-3, 1.5e-3]
    assert [config.recipe.lr_of(t) for t in config.tasks] == rates
    whole = mtil("condu", order="I").config
    assert [whole.recipe.lr_of(t) for t in ("Aircraft", "MNIST", "DTD")] == [5e-5, 5e-5, 1e-5]
    assert config.method_settings["rank"] == 64 and config.method_settings["tuned"] == "lora"


def test_without_the_tasks_identity_it_may_choose_between_all_classes() -> None:
    with pytest.raises(UserError, match="condu is told whose classes it chooses between"):
        resolve(Choices(suite="mini", method="condu", protocol="x-tail"))
    free = ("inference=agnostic",)
    config = resolve(
        Choices(suite="mini", method="condu", protocol="x-tail", overrides=free)
    ).config
    assert "which is cl-bench's own" in config.caveats[0]


@pytest.mark.parametrize(
    ("name", "numbers", "tasks"), [("condu", 149_620_736, 1), ("condu-lora", 9_830_400, 2)]
)
def test_the_dry_run_tells_what_the_published_runs_store(
    name: str, numbers: int, tasks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One change, and for each task a bit for every number and its prototypes."""
    monkeypatch.setattr(parts_of_forecast, "measure_rates", lambda *_: np.ones(4))
    found = forecast(mtil(name, order="I", tasks=tasks)).checkpoint
    classes = sum((100, 101)[:tasks])
    stored = 4 * numbers + tasks * numbers / 8 + 4 * 512 * classes
    assert stored < found < stored + 200_000


def test_what_is_stored_is_counted_in_bits() -> None:
    method = condu()
    learn(method, 0, 1)
    numbers = sum(w.numel() for w in method.clip.weights().values())
    tensors = len(method.clip.weights())
    for expert in method.deltas.experts:
        stored = sum(bits.numel() * bits.element_size() for bits in expert.masks.values())
        assert numbers / 8 <= stored <= numbers / 8 + tensors
    kept = method.state_dict()
    fresh = condu()
    fresh.load_state_dict(kept)
    for number in (0, 1, 2):
        labels = task(method, number).labels
        assert torch.equal(logits(fresh, labels), logits(method, labels))


def test_the_loss_is_cross_entropy_over_the_tasks_classes() -> None:
    method = condu()
    of = task(method, 0)
    method.before_task(of)
    batch = next(of.epoch())
    with torch.no_grad():
        classes = method.clip.encode_classes(of.labels)
        scores = method.clip.logits(method.clip.encode_images(batch.images), classes)
        expected = F.cross_entropy(scores, batch.targets, label_smoothing=0.2)
        torch.testing.assert_close(method.loss(batch), expected)

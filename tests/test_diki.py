"""DIKI: its equations by hand in float64, whom it routes where, and what its batch routing gives away.

What would be wrong without a word: a prefix in the tokens' own softmax or behind the causal mask, a density of
another Gaussian than the task's, the prefix left in place while original features are computed, an image
routed by its company, a covariance that too few images cannot give.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from golden_clip import golden_clip
from scipy.stats import multivariate_normal
from small_run import small_plan, small_stream
from test_residual_prefix import by_hand
from test_waits import on_device
from torch import Tensor, nn
from toy_task import LABELS, images_of, stirred, toy
from two_tasks import guarded, known

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.attention import Adapter
from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.config import Recipe
from cl_bench.benchmark.optimizer import make_optimizer
from cl_bench.benchmark.precision import autocast
from cl_bench.benchmark.task import LabelSpace
from cl_bench.experiment import assemble
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.forecast import forecast
from cl_bench.experiment.resolve import resolve
from cl_bench.methods import prefix_routing
from cl_bench.methods.configs.diki import DIKIConfig
from cl_bench.methods.diki import DIKI
from cl_bench.methods.gaussians import Moments
from cl_bench.methods.iap import IAP
from cl_bench.methods.prefix_texts import LEVELS, PrefixTexts

FLOOR = 1e-3  # of twelve images' features: weights between 0 and 1


def learned(tasks: int = 2, **settings: Any) -> DIKI:
    """A method whose prefixes are moved at random instead of trained, by much."""
    method = DIKI(golden_clip(), DIKIConfig(floor=FLOOR, **settings), Assets())
    torch.manual_seed(0)
    for i in range(tasks):
        task = toy(i, method.clip.normaliser())
        method.before_task(task)
        stirred(method, 1.0)
        method.after_task(task)
    return method


def test_with_zero_values_it_is_exactly_clip() -> None:
    method, images = DIKI(golden_clip(), DIKIConfig(), Assets()), images_of(0, 1)
    zero_shot = golden_clip()
    with torch.no_grad():
        expected = zero_shot.logits(
            zero_shot.encode_images(images), zero_shot.encode_classes(LABELS)
        )
        for i in range(2):
            task = toy(i, method.clip.normaliser())
            method.before_task(task)
            assert torch.equal(method.clip.encode_images(images), zero_shot.encode_images(images))
            assert torch.equal(method.clip.encode_classes(LABELS), zero_shot.encode_classes(LABELS))
            method.after_task(task)
        keys = method.prefixes["v"].keys
        assert keys.abs().max() <= 1 and keys.std() == pytest.approx(1 / math.sqrt(3), rel=0.1)
        found = method.classifier(LABELS)(images)
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=0)


def of(clip: Clip, images: Tensor) -> Any:
    with torch.no_grad():
        return clip.encode_images(images).double().numpy()


def classified_by_hand(method: DIKI, image: Tensor) -> Tensor:
    """Logits [C] of one image [3, 32, 32], from the state alone and a CLIP of the test's own."""
    clip, state = golden_clip(), method.state_dict()
    f, D = of(clip, image[None])[0], method.gaussians[0].mean.shape[0]
    l = []  # noqa: E741 (the paper's)
    for i in range(len(state["gaussians"])):
        g = {name: x.double().numpy() for name, x in state["gaussians"][str(i)].items()}
        l.append(float(multivariate_normal(g["mean"], g["covariance"]).logpdf(f)))
    t = int(np.argmax(l))
    w = 1 / (1 + math.exp(-(l[t] / D - 1)))
    assert 0.02 < w < 0.98
    weights = {"v": w, "t": round(w * 15) / 15}
    for tower, attentions in clip.attentions().items():
        P = {name: state["prefixes"][tower][name][t] for name in ("keys", "values")}
        for i, attention in enumerate(attentions[: len(P["keys"])]):
            attention.add(
                Adapter(
                    to_heads=lambda q, k, v, i=i, P=P, tower=tower: (
                        weights[tower] * by_hand(q, P["keys"][i], P["values"][i])
                    )
                )
            )
    with torch.no_grad():
        logits = clip.logits(clip.encode_images(image[None]), clip.encode_classes(LABELS))
    return logits[0]


@torch.no_grad()
def test_every_image_is_classified_as_the_equations_say() -> None:
    method, images = learned(vision_depth=1, text_depth=1, length=2), images_of(0, 1)[[0, 5]]
    found = method.classifier(LABELS)(images)
    expected = torch.stack([classified_by_hand(method, image) for image in images])
    torch.testing.assert_close(found, expected, atol=2e-4, rtol=0)
    zero_shot = golden_clip()
    plain = zero_shot.logits(zero_shot.encode_images(images), zero_shot.encode_classes(LABELS))
    assert (found - plain).abs().max() > 0.1


@pytest.mark.parametrize("routing", ["image", "batch"])
@torch.no_grad()
def test_batch_routing_leaks_the_task_and_image_routing_does_not(
    routing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shuffled, a batch holds images of both tasks; unshuffled, of one: its company tells an image's task."""
    monkeypatch.setattr(prefix_routing, "ROUTED_TOGETHER", 4)
    classify, images = learned(routing=routing).classifier(LABELS), images_of(0, 1)
    shuffle = torch.tensor([0, 1, 2, 4, 5, 6, 7, 3])  # three of a task and one of the other
    unshuffled = classify(images)
    change = (classify(images[shuffle])[shuffle.argsort()] - unshuffled).abs().amax(dim=-1)
    if routing == "image":
        assert change.max() < 1e-4
    else:
        assert change[[3, 4]].min() > 0.1, "these two follow the others' votes"


def test_the_leak_is_said_in_every_table() -> None:
    published, fair = (small_plan("diki", preset=preset).config for preset in ("paper", "fair"))
    assert published.method_settings["routing"] == "batch"
    assert any("the task's identity leaks" in words for words in published.caveats)
    assert fair.method_settings["routing"] == "image" and not fair.caveats


@torch.no_grad()
def test_texts_take_no_more_passes_than_there_are_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    method, encoded = learned(), list[int]()
    encode = method.clip.encode_classes
    monkeypatch.setattr(method.clip, "encode_classes", lambda *of: encoded.append(1) or encode(*of))  # type: ignore[func-returns-value]
    texts = PrefixTexts(method.clip, method.prefixes["t"], LABELS)
    features = nn.functional.normalize(torch.randn(500, 48), dim=-1)
    weights, tasks = torch.rand(500), torch.randint(2, (500,))
    found = texts.own_logits(features, tasks, weights)
    assert len(encoded) == 2 * (LEVELS - 1) + 1, "at weight 0 all tasks have CLIP's"
    texts.own_logits(features, tasks, weights)
    assert len(encoded) == 2 * (LEVELS - 1) + 1
    least = int(weights.argmin())
    plain = golden_clip().encode_classes(LABELS)
    torch.testing.assert_close(
        found[least], method.clip.logits(features[least], plain), atol=1e-4, rtol=0
    )


def test_a_task_changes_no_earlier_prefix_and_no_weight() -> None:
    method = learned(1)
    before = {name: w.clone() for name, w in method.clip.weights().items()}
    first = method.prefixes["t"].values.clone()
    task = toy(1, method.clip.normaliser())
    method.before_task(task)
    optimizer = torch.optim.SGD(list(method.trainable_parameters()), lr=5.0)
    for batch in task.epoch():
        method.loss(batch).backward()
        optimizer.step()
    method.after_task(task)
    assert (
        torch.equal(method.prefixes["t"].values[0], first[0])
        and method.prefixes["t"].values[1].any()
    )
    assert all(torch.equal(before[name], w) for name, w in method.clip.weights().items())


@torch.no_grad()
def test_densities_are_of_the_untouched_clip_in_full_precision() -> None:
    method, images = learned(), images_of(0)
    expected = method._log_densities(images)
    with autocast("cpu", "bf16"):
        assert torch.equal(method._log_densities(images), expected)
    method.before_task(toy(2, method.clip.normaliser()))
    plain = golden_clip()
    mean = Moments.of(plain, toy(2, plain.normaliser())).sums.sum(dim=0).float() / 12
    torch.testing.assert_close(method.gaussians[2].mean, mean, atol=1e-6, rtol=0)
    stirred(method, 1.0)
    assert torch.equal(method._log_densities(images), expected), "whatever trains"


@torch.no_grad()
def test_over_the_classes_of_all_tasks_an_image_keeps_its_logits() -> None:
    """X-TAIL: all classes are encoded beside the image's own prefix."""
    method, images = learned(), images_of(0, 1)
    other = LabelSpace.from_templates(("moon", "lake"), ("a photo of a {}.",))
    found = method.classifier(LabelSpace.union([other, LABELS]))(images)
    torch.testing.assert_close(found[:, 2:], method.classifier(LABELS)(images), atol=1e-4, rtol=0)


def test_batch_routing_waits_for_nothing() -> None:
    assert not guarded(on_device(*known("diki", routing="batch")))


def test_the_published_recipe_goes_from_5_to_a_thousandth_without_momentum() -> None:
    recipe = small_plan("diki", preset="paper").config.recipe
    weight, steps, rates = nn.Parameter(torch.zeros(1)), 9, []
    optimizer, schedule = make_optimizer([weight], recipe, recipe.lr, steps, 3)
    assert schedule is not None
    for step in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        before, weight.grad = weight.item(), torch.ones(1)
        optimizer.step()
        schedule.step()
        assert weight.item() == pytest.approx(before - rates[-1]), "no step remembers another"
        half = 0.5 * (1 + math.cos(math.pi * step / (steps - 1)))
        assert rates[-1] == pytest.approx(0.005 + 4.995 * half)
    assert not optimizer.state_dict()["state"]


def test_momentum_is_part_of_a_run_s_digest_where_it_is_not_the_usual() -> None:
    plain, other = (small_plan("sd-lora", overrides=o).config for o in ((), ("momentum=0.5",)))
    assert plain.digest() != other.digest() and plain.recipe.momentum == Recipe().momentum == 0.9
    same = small_plan("sd-lora", overrides=("momentum=0.9",)).config
    assert same.digest() == plain.digest()


def test_too_few_images_for_a_covariance_are_said_before_training(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan = small_plan("diki")
    whole = small_stream(plan)
    assert assemble.assemble(plan).stream.remarks == (), "600 images a task"
    few = tuple(
        replace(t, train=t.train.subset(torch.arange(50 + i))) for i, t in enumerate(whole.tasks)
    )
    monkeypatch.setattr(assemble, "build_stream", lambda *of: replace(whole, tasks=few))
    [words] = assemble.assemble(plan).stream.remarks
    assert "fewer training images than a covariance of 96 features needs of mini-S" in words
    assert "mini-StanfordCars (50 of 97), mini-Food (51 of 97): outside" in words
    images = {task.name: task.train_images_of_classes() for task in few}
    [words] = IAP.Config().remarks(images, 96)
    assert "iap: " in words and "(50 of 106), mini-Food (51 of 106): outside" in words, (
        "ten classes"
    )


@pytest.mark.parametrize("order", ["I", "II"])
def test_the_published_run_has_its_steps_and_stores_its_covariances(order: str) -> None:
    chosen = {"suite": "mtil", "method": "diki", "order": order, "device": "cpu", "preset": "paper"}
    plan = resolve(Choices.model_validate({**chosen, "backbone": "tiny-clip"}))
    budget, protocol = plan.config.budget, plan.config.protocol
    epochs = {task.name: -(-task.train_size // 128) for task in plan.tasks}
    assert budget.batch_size == 128 and budget.steps == {t: 10 * n for t, n in epochs.items()}
    assert sum(budget.steps.values()) == 24_990
    assert (protocol.prompts, protocol.augment) == ("first", "none")
    if order == "II":
        prefix, gaussian = 4 * 16 * 192 + 3 * 16 * 128, 96 + 96**2
        assert forecast(plan).checkpoint == pytest.approx(11 * (prefix + gaussian) * 4, rel=0.02)

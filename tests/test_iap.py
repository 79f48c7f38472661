"""IAP beside DIKI: gates, their noise at test, class densities, and weights between the boundaries.

What would be wrong without a word: noise that depends on an image's company or on when it is asked for, gates
without the gradient of the soft choice, a weight by the wrong Gaussian or scale, a closed gate that changes
the image.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from golden_clip import golden_clip
from pydantic import ValidationError
from scipy.stats import multivariate_normal
from small_run import small_plan
from torch import Tensor
from toy_task import LABELS, images_of, stirred, toy

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.attention import Adapter
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.resolve import resolve
from cl_bench.methods.class_gaussians import ClassGaussians
from cl_bench.methods.configs.iap import IAPConfig
from cl_bench.methods.gaussians import Moments
from cl_bench.methods.iap import IAP
from cl_bench.methods.instance_gates import InstanceGates, NoiseOfImages
from cl_bench.methods.residual_prefix import Prefix, attend

FLOOR = 1e-3  # of twelve images' features
CPU = torch.device("cpu")


def made(**settings: Any) -> IAP:
    torch.manual_seed(4)
    return IAP(golden_clip(), IAPConfig(**{"floor": FLOOR, **settings}), Assets())


def learned(**settings: Any) -> IAP:
    """A method whose prefixes and gates are moved at random instead of trained, by much."""
    method = made(**settings)
    for i in range(2):
        task = toy(i, method.clip.normaliser())
        method.before_task(task)
        stirred(method, 1.0)
        method.after_task(task)
    return method


def random_images(count: int) -> Tensor:
    return torch.randn(count, 3, 8, 8, generator=torch.Generator().manual_seed(2))


def gates_of_one_task(blocks: int, dimension: int) -> InstanceGates:
    torch.manual_seed(0)
    gates = InstanceGates(blocks, dimension, CPU)
    gates.begin()
    return gates


def test_gates_are_hard_with_the_gradient_of_the_soft_choice() -> None:
    gates, f = gates_of_one_task(3, 5), torch.randn(4, 5)
    weight, bias = gates.new
    w, b_ = weight.detach(), bias.detach()
    assert max(weight.abs().max(), bias.abs().max()) <= 5**-0.5, "as a linear layer begins"
    torch.manual_seed(9)
    open_ = gates.drawn(f, temperature=3.0)
    torch.manual_seed(9)
    noise = -torch.empty(4, 3, 2).exponential_().log()
    found = torch.autograd.grad((open_ * torch.arange(12.0).view(4, 3)).sum(), weight)[0]
    expected = torch.zeros_like(weight)
    for b in range(4):
        for n in range(3):
            z = [float(w[n, k] @ f[b] + b_[n, k] + noise[b, n, k]) / 3 for k in (0, 1)]
            assert float(open_[b, n].detach()) == pytest.approx(float(z[1] > z[0]), abs=1e-6)
            p = 1 / (1 + math.exp(z[0] - z[1]))
            slope = (3 * b + n) * p * (1 - p) / 3  # of the soft choice by z, over the temperature
            expected[n, 1] += slope * f[b]
            expected[n, 0] -= slope * f[b]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_adding_the_gated_prefix_is_the_published_sum() -> None:
    """Of g_0·A + g_1·(A + w·P) the gates' own gradient through A cancels, as g_0 + g_1 = 1."""
    draw = torch.Generator().manual_seed(1)
    q, A = (torch.randn(2, *s, generator=draw, dtype=torch.float64) for s in ((4, 5, 3), (5, 12)))
    keys, values = torch.randn(2, 7, 12, generator=draw, dtype=torch.float64)
    logits = torch.randn(2, 2, generator=draw, dtype=torch.float64, requires_grad=True)
    g = logits.softmax(dim=-1)
    P = attend(q, keys, values)
    published = g[:, 0, None, None] * A + g[:, 1, None, None] * (A + 0.3 * P)
    prefix = Prefix(keys[None], values[None]).scaled(0.3 * g[:, 1].float())
    ours = A + attend(q, prefix.keys[0], prefix.values[:, 0])
    torch.testing.assert_close(ours, published, atol=1e-6, rtol=0)
    slopes = [
        torch.autograd.grad(x.square().sum(), logits, retain_graph=True)[0]
        for x in (ours, published)
    ]
    torch.testing.assert_close(*slopes, atol=1e-5, rtol=0)


def test_noise_belongs_to_an_image_and_a_seed() -> None:
    images = random_images(40)

    def of(seed: int) -> NoiseOfImages:
        torch.manual_seed(seed)
        return NoiseOfImages(6, 8, CPU)

    noise = of(0)
    found = noise.of(images)
    assert torch.equal(noise.of(images), found), "asked again"
    assert torch.equal(of(0).of(images), found), "by another instance"
    assert torch.equal(torch.cat([noise.of(image[None]) for image in images]), found), "alone"
    assert torch.equal(noise.of(images.flip(0)).flip(0), found), "in another order"
    assert (of(1).of(images) - found).abs().min() > 0, "another seed"
    other = images.clone()
    other[:, 0, 0, 0] += 1 / 50  # less than a step of 8-bit pixels
    assert (noise.of(other) - found).abs().max(dim=-1).values.min() > 0.01


def test_noise_is_gumbel_s_and_opens_gates_as_often_as_it_should() -> None:
    torch.manual_seed(0)
    images = random_images(4000)
    noise = NoiseOfImages(6, 8, CPU).of(images)
    assert noise.isfinite().all()
    np.testing.assert_allclose(noise.mean(dim=0), 0.5772, atol=0.08)
    np.testing.assert_allclose(noise.var(dim=0), math.pi**2 / 6, rtol=0.12)
    assert np.corrcoef(noise.T.numpy())[np.triu_indices(6, 1)] == pytest.approx(0, abs=0.07)
    gates = gates_of_one_task(3, 5)
    gates.new[0].data.zero_()
    gates.new[1].data.copy_(torch.tensor([[0.0, 1.0], [0.5, 0.5], [2.0, 0.0]]))
    gates.end()
    tasks = torch.zeros(4000, dtype=torch.int64)
    drawn = gates.chosen(torch.ones(4000, 5), tasks, noise.unflatten(-1, (-1, 2)))
    expected = [1 / (1 + math.exp(-d)) for d in (1.0, 0.0, -2.0)]
    np.testing.assert_allclose(drawn.mean(dim=0), expected, atol=0.03)
    plain = gates.chosen(torch.ones(4000, 5), tasks, None)
    assert plain.mean(dim=0).tolist() == [1, 0, 0]


@cache
def features_of(task: int) -> tuple[Any, Any]:
    """By a CLIP of the test's own, float64 [n, D], and classes [n]."""
    clip = golden_clip()
    batches = list(toy(task, clip.normaliser()).epoch())
    with torch.no_grad():
        f = torch.cat([clip.encode_images(b.images) for b in batches]).double().numpy()
    return f, torch.cat([b.targets for b in batches]).numpy()


def class_log_densities(task: int, scale: float, f: Any) -> list[float]:
    """Of every class: ln N(f; μ_c, scale·Σ), Σ within the classes over n - C."""
    features, classes = features_of(task)
    means = [features[classes == c].mean(axis=0) for c in range(3)]
    rest = np.stack([x - means[c] for x, c in zip(features, classes, strict=True)])
    covariance = rest.T @ rest / (len(rest) - 3) + FLOOR * np.eye(rest.shape[1])
    return [float(multivariate_normal(m, scale * covariance).logpdf(f)) for m in means]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_class_densities_are_scipy_s(count: int) -> None:
    clip = golden_clip()
    moments = Moments.of(clip, toy(0, clip.normaliser()))
    of_classes = ClassGaussians.of(moments, FLOOR).scaled(0.1)
    with torch.no_grad():
        f = clip.encode_images(images_of(0, 3))
    found = of_classes.top_mean(f, count)
    for row, x in zip(found.tolist(), f.double().numpy(), strict=True):
        best = sorted(class_log_densities(0, 0.1, x), reverse=True)[:count]
        assert row == pytest.approx(sum(best) / len(best), rel=1e-4, abs=1e-3)


def test_a_class_without_images_has_no_gaussian() -> None:
    sums = torch.tensor([[1.0, 0, 0], [0, 0, 0], [0, 2, 0]]).double()
    moments = Moments(torch.tensor([1.0, 0, 2]).double(), sums, torch.eye(3).double())
    of_classes = ClassGaussians.of(moments, FLOOR)
    assert of_classes.means.tolist() == [[1, 0, 0], [0, 1, 0]]
    assert of_classes.top_mean(torch.eye(3), 5).isfinite().all()


def weight_by_hand(method: IAP, f: Any, task: int) -> float:
    c, (features, _), D = method.config, features_of(task), len(f)
    covariance = np.cov(features.T) + c.floor * np.eye(D)
    l = multivariate_normal(features.mean(axis=0), c.task_scale * covariance).logpdf(f)  # noqa: E741
    w = 1 / (1 + math.exp(-(float(l) / D - 1)))
    if w < c.lower:
        return 0.0
    if w > c.upper:
        return 1.0
    best = sorted(class_log_densities(task, c.class_scale, f), reverse=True)[: c.top_classes]
    return 1 / (1 + math.exp(-(sum(best) / len(best) / D - 1)))


@pytest.mark.parametrize(("lower", "upper"), [(0.2, 0.8), (0.95, 0.99), (0.0, 0.05), (0.0, 1.0)])
@torch.no_grad()
def test_weights_are_clear_outside_of_the_boundaries(lower: float, upper: float) -> None:
    method = learned(lower=lower, upper=upper, top_classes=2)
    images = images_of(0, 1)[[0, 5]]
    chosen = method._choose(images)
    assert chosen.tasks.tolist() == [0, 1]
    f = golden_clip().encode_images(images).double().numpy()
    expected = [weight_by_hand(method, x, task) for task, x in enumerate(f)]
    np.testing.assert_allclose(chosen.weights.numpy(), expected, atol=1e-4)
    assert {(0.95, 0.99): {0.0}, (0.0, 0.05): {1.0}}.get((lower, upper), {*expected}) == {*expected}


def scaled_attention(P: dict[str, Tensor], i: int, scale: float) -> Callable[..., Tensor]:
    """What block ``i`` adds; the attention itself is compared with loops in tests/test_diki.py."""
    return lambda q, k, v: scale * attend(q, P["keys"][i], P["values"][i])


@pytest.mark.parametrize("test_noise", [True, False])
@torch.no_grad()
def test_every_image_is_classified_as_the_equations_say(test_noise: bool) -> None:
    method = learned(test_noise=test_noise, lower=0.0, upper=1.0)
    images, state = images_of(0, 1)[[1, 6]], method.state_dict()
    found = method.classifier(LABELS)(images)
    noise = method.noise.of(images).view(2, -1, 2) if test_noise else torch.zeros(2, 99, 2)
    for task, image in enumerate(images):
        clip = golden_clip()
        f = clip.encode_images(image[None])[0]
        w = weight_by_hand(method, f.double().numpy(), task)
        gate = {name: state["gates"][name][task] for name in ("weights", "biases")}
        logits = [gate["weights"][n] @ f + gate["biases"][n] for n in range(len(gate["biases"]))]
        scale = {
            "v": [
                w * float(z[1] + e[1] > z[0] + e[0])
                for z, e in zip(logits, noise[task], strict=False)
            ],
            "t": [round(w * 15) / 15] * 99,
        }
        for tower, attentions in clip.attentions().items():
            P = {name: state["prefixes"][tower][name][task] for name in ("keys", "values")}
            for i, attention in enumerate(attentions[: len(P["keys"])]):
                attention.add(Adapter(to_heads=scaled_attention(P, i, scale[tower][i])))
        expected = clip.logits(clip.encode_images(image[None]), clip.encode_classes(LABELS))
        torch.testing.assert_close(found[task], expected[0], atol=2e-4, rtol=0)


def test_a_closed_gate_leaves_the_image_to_clip() -> None:
    method, images = made(), images_of(0)
    task = toy(0, method.clip.normaliser())
    method.before_task(task)
    stirred(method, 1.0)
    with torch.no_grad():
        method.gates.new[1].copy_(torch.tensor([1e6, 0.0]).expand_as(method.gates.new[1]))
    method.after_task(task)
    with torch.no_grad():
        chosen = method._choose(images)
        assert not chosen.in_blocks.any() and chosen.weights.min() > 0
        vision = method.prefixes["v"]
        with vision.beside(vision.of(chosen.tasks).scaled(chosen.in_blocks)):
            found = method.clip.encode_images(images)
        assert torch.equal(found, golden_clip().encode_images(images))


def test_it_trains_in_all_twelve_image_blocks_and_for_one_epoch() -> None:
    chosen = {"suite": "mtil", "method": "iap", "device": "cpu", "preset": "paper", "order": "I"}
    config = resolve(Choices.model_validate({**chosen, "backbone": "tiny-clip"})).config
    assert config.budget.batch_size == 128 and sum(config.budget.steps.values()) == 2_499
    assert (
        config.recipe.lr == 5
        and config.recipe.momentum == 0
        and config.recipe.schedule == "step_cosine"
    )
    assert (config.protocol.prompts, config.protocol.augment) == ("first", "none")
    assert IAPConfig().vision_depth == 12 and IAPConfig().text_depth == 8


def test_what_a_reader_must_know_is_said() -> None:
    published, fair = (small_plan("iap", preset=preset).config for preset in ("paper", "fair"))
    assert any("the task's identity leaks" in words for words in published.caveats)
    assert [c for c in fair.caveats if "draws for every test image" in c] == list(fair.caveats)
    quiet = small_plan("iap", overrides=("test_noise=false",)).config
    assert not quiet.caveats
    with pytest.raises(ValidationError, match=r"lower = 0\.9 is above upper = 0\.8"):
        IAPConfig(lower=0.9)

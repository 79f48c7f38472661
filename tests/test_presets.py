"""Published budgets, rates, prompts and sizes come out of the plans."""

from __future__ import annotations

from pathlib import Path

import open_clip
import pytest
import torch
from small_run import fresh, small_plan, small_stream

from cl_bench.benchmark.randomness import seed_everything
from cl_bench.benchmark.task import TrainingTask
from cl_bench.datasets.mtil.layout import facts
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.resolve import Plan, resolve
from cl_bench.methods.catalog import BUILT_IN, known_methods


def mtil(method: str, references: dict[str, Path], **choices: object) -> Plan:
    return resolve(
        Choices.model_validate(
            {"suite": "mtil", "method": method, "device": "cpu", **references, **choices}
        )
    )


@pytest.mark.parametrize(
    ("method", "order", "steps"),
    [
        ("keeplora", "I", 43_160), ("keeplora", "II", 27_988),
        ("zscl", "I", 11_011), ("zscl", "II", 11_011),
        ("moe-adapters", "I", 11_011), ("moe-adapters", "II", 11_011), ("finetune", "I", 11_011),
    ],
)  # fmt: skip
def test_published_step_counts(
    method: str, order: str, steps: int, references: dict[str, Path]
) -> None:
    plan = mtil(method, references, order=order)
    assert plan.config.preset == "paper"
    assert sum(plan.config.budget.steps.values()) == steps
    assert plan.config.budget.batch_size == 64


def test_published_rates_prompts_and_augmentation(references: dict[str, Path]) -> None:
    zscl, moe, keep = (
        mtil(name, references).config for name in ("zscl", "moe-adapters", "keeplora")
    )
    special = {t: zscl.recipe.lr_of(t) for t in zscl.tasks if zscl.recipe.lr_of(t) != 1e-5}
    assert special == {"Aircraft": 5e-5, "MNIST": 5e-5}
    rates = [5e-3, 1e-3, 5e-3, 1e-3, 1e-4, 1e-3, 1e-3, 1e-4, 1e-3, 1e-3, 1e-3]
    assert [moe.recipe.lr_of(t) for t in moe.tasks] == rates
    for name in ("keeplora", "zscl", "moe-adapters"):
        published = "keeplora" if name == "keeplora" else "zscl"
        for task in mtil(name, references, order="II").tasks:
            assert list(task.templates) == facts()["datasets"][task.name]["templates"][published]
            assert len(task.classnames) == facts()["datasets"][task.name]["classes"]
    for config in (zscl, moe):
        assert config.protocol.augment == "random_resized_crop"
        assert config.protocol.prompts == "ensemble"
        assert config.recipe.weight_decay == 0 and config.recipe.schedule == "warmup_cosine"
        assert round(config.recipe.warmup * 1001) == 100
    assert keep.protocol.augment == "none" and keep.protocol.prompts == "first"
    assert moe.method_settings["routing"] == "batch" and "identity leaks" in moe.caveats[0]
    assert moe.method_settings["slots"] == 11
    plus = mtil("keeplora+", references, order="II").config
    assert plus.budget.steps["Food"] == -(-75_750 // 64)
    assert plus.budget.steps["CIFAR100"] == 5 * -(-50_000 // 64)


def test_fair_is_the_same_for_all(references: dict[str, Path]) -> None:
    configs = [mtil(name, references, preset="fair").config for name in BUILT_IN]
    assert len({str(c.budget) for c in configs}) == len({str(c.protocol) for c in configs}) == 1
    assert configs[0].protocol.augment == "none"
    routed = next(c for c in configs if c.method == "moe-adapters")
    assert routed.method_settings["routing"] == "image" and not routed.caveats


def test_a_published_budget_changed_by_hand_is_no_longer_the_papers(
    references: dict[str, Path],
) -> None:
    assert mtil("zscl", references, overrides=("steps=10",)).config.preset == "custom"
    assert mtil("zscl", references, overrides=("l2=0",)).config.preset == "paper"
    assert mtil("zscl", references, overrides=("lr=1e-4",)).config.recipe.lr_of("MNIST") == 1e-4


def test_published_rates_serve_the_suite_that_stands_for_mtil() -> None:
    config = resolve(Choices(suite="mini", method="zscl", preset="paper")).config
    assert config.recipe.lr_of("mini-MNIST") == 5e-5 and config.recipe.lr_of("mini-Food") == 1e-5
    assert set(config.budget.steps.values()) == {1001}
    keep = resolve(Choices(suite="mini", method="keeplora", preset="paper", order="II")).config
    sizes = {"mini-Food": 2 * 10, "mini-Aircraft": 10 * 10}  # epochs times batches of 64 in 600
    assert {t: keep.budget.steps[t] for t in sizes} == sizes


SHAPES = {"tiny": ((4, 192), (3, 128)), "ViT-B-16": ((12, 768), (12, 512))}  # (blocks, width)
FEATURES = {"tiny": 96, "ViT-B-16": 512}
WHOLE = {
    "finetune",
    "zscl",
    "wc",
    "lwf",
    "lwf-vr",
    "wise-ft",
    "gift",
    "condu",
    "individual",
    "joint",
    "er",
}


def whole_clip(name: str) -> int:
    """Every weight of the model but its logit scale."""
    if name == "tiny":
        clip = fresh(small_plan("zero-shot")).clip
        return sum(p.numel() for p in clip.weights().values())
    with torch.device("meta"):
        model = open_clip.CLIP(**open_clip.get_model_config("ViT-B-16-quickgelu"))
    return sum(p.numel() for p in model.parameters()) - 1


# Of one block of width d.
PER_BLOCK = {
    "moe-adapters": lambda d: 22 * (64 * d + 64 + d * 64 + d) + 2 * 22 * d,
    "condu-lora": lambda d: 2 * 64 * 5 * d,  # rank 64 beside d x 4d and 4d x d
    "gpm": lambda d: 4 * d**2,
    # q, k, v, o, d x 4d and 4d x d, and six times 16 gates
    "codyra": lambda d: 16 * (4 * 2 * d + 2 * 5 * d) + 6 * 16,
    **{name: lambda d: 2 * 4 * 16 * d for name in ("lora", "o-lora", "sd-lora")},
}


def prefixes(method: str, shape: str) -> int:
    """8 keys and 8 values in the first 8 blocks; IAP's are in all of the image tower, gated."""
    (vision, width), (text, text_width) = SHAPES[shape]
    gate = 2 * (FEATURES[shape] + 1) if method == "iap" else 0
    blocks = vision if method == "iap" else min(vision, 8)
    return blocks * (16 * width + gate) + min(text, 8) * 16 * text_width


def expected_size(method: str, shape: str) -> int:
    """Trainable numbers by the method's own description."""
    if method in {"zero-shot", "rail", "rail-dual"}:
        return 0
    if method in WHOLE:
        return whole_clip(shape)
    if method in {"diki", "iap"}:
        return prefixes(method, shape)
    if method == "lada":  # LayerNorm, down, up and a scale in every text block
        count, d = SHAPES[shape][1]
        return count * (2 * d + 16 * d + 16 + 16 * d + d + 1)
    of_block = PER_BLOCK.get(method, lambda d: 4 * 16 * d)  # KeepLoRA's B
    scale = 1 if method == "sd-lora" else 0
    return sum(of_block(d) for count, d in SHAPES[shape] for _ in range(count)) + scale


@pytest.mark.parametrize("method", BUILT_IN)
def test_the_cards_trainable_size(method: str) -> None:
    plan = small_plan(method)
    made = fresh(plan)
    task = small_stream(plan).tasks[0]
    generator = seed_everything(0, task.name)
    made.before_task(TrainingTask(task, made.clip.normaliser(), 32, generator, earlier=()))
    measured = sum(p.numel() for p in made.trainable_parameters())
    centres = min(16, int(task.train.targets.bincount().max()))
    head = len(task.labels.classnames) * 96 * {"keeplora+": 1, "lada": centres}.get(method, 0)
    assert measured == expected_size(method, "tiny") + head
    assert known_methods()[method].trainable == expected_size(method, "ViT-B-16")

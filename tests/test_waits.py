"""No method lets the host wait for the device inside a step or while it classifies a batch.

Proven without a GPU: two tasks are played on ``stand_in_device``, whose numbers must be those of the
host. What is left is listed here, with its reason.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from disturbing import DEVICE, HOST
from reaching import PromptTuning
from stand_in_device import OnDevice, StandIn
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves
from two_tasks import GUARDED, STEPS, Make, Played, guarded, known, played

from cl_bench.benchmark import evaluate
from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.config import Recipe
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.patches import PatchEmbedding
from cl_bench.benchmark.pixels import Pixels
from cl_bench.methods.catalog import BUILT_IN

# Whom a batch chose, read while the device computes the gradients: the optimizer needs to know whom to
# leave as they are. To step all experts and restore those costs more (tests/bench/expert_choice.py).
# Beside which prefixes a batch of test images needs the texts, read once a batch: beside all that it may
# need, they would be encoded up to 15 T + 1 times.
LEFT = {
    "moe-adapters": {
        ("reading.py", "copy", "loss"): 2 * STEPS,
        ("reading.py", "wait", "after_backward"): 2 * STEPS,
    },
    "diki": {("prefix_texts.py", "wait", "classifier"): 4},
    "iap": {("prefix_texts.py", "wait", "classifier"): 4},
    # Which experts the images of a batch are given to: each of them computes its own images alone.
    "condu agnostic": {
        ("reading.py", "copy", "classifier"): 4,  # two batches of each of two tasks
        ("reading.py", "wait", "classifier"): 4,
    },
}
CODE_PATHS: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in BUILT_IN),
    ("keeplora", {"variant": "paper"}),
    ("moe-adapters", {"routing": "batch", "slots": 3}),
    ("sd-lora", {"variant": "paper"}),
    ("o-lora", {"penalty": "squared", "shrinkage": 0.1}),
    ("zscl", {"ensemble_every": 1, "wise_alpha": 0.5}),
    ("condu", {"inference": "agnostic"}),
    ("condu-lora", {"variant": "product"}),
]
OTHER_PLACES = [
    ("keeplora", "fp16", True),
    ("lora", "fp16", True),
    ("sd-lora", "fp16", True),
    ("moe-adapters", "bf16", True),
    ("finetune", "bf16", False),
    ("zscl", "fp32", False),
    ("lwf", "fp32", False),
    ("joint", "fp32", False),
]


@pytest.fixture(autouse=True)
def patches_as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """The host computes them in another order of sums (tests/test_patches.py)."""
    monkeypatch.setattr(PatchEmbedding, "forward", PatchEmbedding.product)


def on_device(make: Make, recipe: Recipe, precision: str = "fp32", resident: bool = True) -> Played:
    stand_in = StandIn()
    with stand_in.playing():
        return played(make, recipe, precision, stand_in, resident)


def undisturbed(name: str, precision: str = "fp32", resident: bool = True, **more: Any) -> Played:
    """Play on the device and on the host; raise where a number differs or the device is disturbed."""
    make, recipe = known(name, **more)
    there, here = (
        on_device(make, recipe, precision, resident),
        played(make, recipe, precision, None),
    )
    leaves = (tree_leaves([p.losses, p.logits, dict(p.state)]) for p in (there, here))
    rounding = 1e-6 if recipe.optimizer == "sgd" else 0.0  # fused on a GPU alone
    for a, b in zip(*leaves, strict=True):
        if isinstance(a, Tensor | float):
            torch.testing.assert_close(a, b, atol=rounding, rtol=rounding)
        else:
            assert a == b
    disturbances = guarded(there)
    found = Counter((seen.where.split(":")[0], seen.kind, seen.phase) for seen in disturbances)
    left = LEFT.get(f"{name} {more.get('inference', '')}".strip(), {})
    assert found == left, "\n".join(map(str, disturbances))
    return there


@pytest.mark.parametrize(("name", "more"), CODE_PATHS)
def test_a_step_and_a_classifier_wait_for_nothing(name: str, more: dict[str, Any]) -> None:
    there = undisturbed(name, **more)
    in_steps = [phase for phase in there.tokenised if phase in GUARDED]
    assert len(in_steps) <= 2, "once for a task, not once for a step"


@pytest.mark.parametrize(("name", "precision", "resident"), OTHER_PLACES)
def test_nor_in_16_bits_or_with_images_on_the_host(
    name: str, precision: str, resident: bool
) -> None:
    undisturbed(name, precision, resident)


class LearnedPrompts(PromptTuning):
    """A method of a user's own, with vectors that enter both towers."""

    def __init__(self, clip: Clip, config: PromptTuning.Config, assets: Assets) -> None:
        super().__init__(clip, config, assets)
        for tower, tokens in self.tokens.items():
            self.tokens[tower] = nn.Parameter(tokens.detach().to(clip.device))


def test_prompt_tokens_need_no_wait_to_find_their_room() -> None:
    config = LearnedPrompts.Config()
    there = on_device(lambda clip, assets: LearnedPrompts(clip, config, assets), Recipe())
    assert there.losses and not guarded(there)


@pytest.mark.parametrize("resident", [True, False])
@pytest.mark.parametrize("batch", [3, 9])
def test_evaluation_waits_once_a_data_set_and_not_once_a_batch(
    batch: int, resident: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluate, "EVALUATION_BATCH", batch)
    pixels = torch.randint(256, (9, 3, 8, 8), dtype=torch.uint8)
    stand_in = StandIn()
    with stand_in.playing():
        mean = torch.zeros(3, 1, 1, device=DEVICE)
        images = Images(OnDevice(pixels) if resident else pixels, torch.zeros(9).long())
        classify = lambda x: x.flatten(1)[:, :5]  # noqa: E731
        found = evaluate.predict(classify, images, Pixels(8, mean, mean + 1))
    waits = [seen for seen in stand_in.seen if seen.kind != "copy"]
    assert [seen.what for seen in waits] == ["a copy from the device"]
    assert found.device == HOST
    assert torch.equal(found, pixels.flatten(1)[:, :5].float().argmax(-1))

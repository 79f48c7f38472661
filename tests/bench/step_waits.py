"""What a step waits for, and what tokenising its class prompts anew would cost.

Waits are counted where a GPU would make them (``tests/stand_in_device.py``), for one step of methods of
every kind; ``--device cuda`` counts them on a GPU, as torch reports them. Then KeepLoRA's step at
ViT-B/16 with 397 classes, as SUN397 has, is timed side by side in two ways: as it is, and with prompts that
every step makes tokens of, copies over whole and cuts on the device, as published code does. On a CPU,
seconds are those of the processor: what else runs there does not count.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.config import Recipe
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.method import Method
from cl_bench.benchmark.task import LabelSpace, Task, TrainingTask
from cl_bench.benchmark.tokens import LabelTokens, Tokenizer, cut_padding
from cl_bench.benchmark.train import Training
from cl_bench.datasets import backbones
from cl_bench.methods.keeplora import KeepLoRA, KeepLoRAConfig

sys.path.insert(0, str(Path(__file__).parents[1]))
from stand_in_device import StandIn
from two_tasks import STEPS, known, played

CLASSES = 397
PLACES = (
    "abbey", "airport terminal", "alley", "aquarium", "attic", "bakery shop", "bamboo forest",
    "basement", "beach", "bedroom", "bridge", "butchers shop", "campsite", "canyon", "car interior",
    "castle", "cathedral", "classroom", "coast", "corridor", "courtyard", "dam", "desert", "diner",
    "elevator shaft", "factory", "field", "forest path", "garden", "gas station", "harbor", "kitchen",
    "library", "lighthouse", "market", "museum", "office", "playground", "pond", "swimming pool",
)  # fmt: skip
METHODS = ("keeplora", "lora", "zscl", "moe-adapters", "joint")


class Anew(LabelTokens):
    """Tokens as published code makes them: in every step."""

    seconds = 0.0

    def of(self, labels: LabelSpace, tokenizer: Tokenizer, like: Tensor) -> list[Tensor]:
        start = time.process_time()
        tokens = tokenizer([prompt for prompts in labels.prompts for prompt in prompts])
        Anew.seconds += time.process_time() - start
        return [cut_padding(tokens.to(like.device))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--steps", type=int, default=5)
    options = parser.parse_args()
    for name in METHODS:
        before, now = (waits(name, tokens) for tokens in (Anew, LabelTokens))
        print(f"{name:13s} waits a step: {before:.0f} with tokens made anew, {now:.0f} as it is")
    timed(options.device, options.batch_size, options.steps)


def waits(name: str, tokens: type[LabelTokens]) -> float:
    """Where a step of a method would wait for a GPU, by number."""
    make, recipe = known(name)
    stand_in = StandIn()

    def made(clip: Clip, assets: Assets) -> Method:
        clip._tokens = tokens()
        return make(clip, assets)

    with stand_in.playing():
        seen = played(made, recipe, "fp32", stand_in).seen
    steps = {"step", "loss", "after_backward", "after_step"}
    count = sum(s.kind != "copy" for s in seen if s.phase in steps)
    return count / (2 * STEPS)


def timed(device: str, batch_size: int, count: int) -> None:
    """Print the seconds of KeepLoRA's step in both ways, taken in turn."""
    training, clip = started(device, batch_size)
    ways: dict[str, LabelTokens] = {"anew": Anew(), "as it is": LabelTokens()}
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    reports = dict.fromkeys(ways, 0)
    clock = time.process_time if device == "cpu" else time.perf_counter
    for step in range(count + 1):
        Anew.seconds = 0.0 if step == 1 else Anew.seconds  # the first one warms up
        for way, tokens in ways.items():
            clip._tokens = tokens
            start = clock()
            reports[way] = synchronised(training, device)
            seconds[way].append(clock() - start)
    steps = [s[1:] for s in seconds.values()]
    anew, now = map(statistics.median, steps)
    spread = statistics.quantiles((a / b for a, b in zip(*steps, strict=True)), n=4)
    print(
        f"KeepLoRA, ViT-B/16, {batch_size} images, {CLASSES} classes on {device}: tokenising "
        f"{1e3 * Anew.seconds / count:.0f} ms a step, now 0 ms; step {anew:.3f} s, now {now:.3f} s: "
        f"{spread[1]:.3f}x (quartiles {spread[0]:.3f} to {spread[2]:.3f})"
    )
    if device != "cpu":
        print(f"waits that torch reported in the last step: {reports}")


def synchronised(training: Training, device: str) -> int:
    """Take a step and wait for its end; returns how often torch says that the step waited."""
    if device == "cpu":
        training.take_step()
        return 0
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        training.take_step()
        torch.cuda.set_sync_debug_mode("default")
    torch.cuda.synchronize()
    return sum("synchroniz" in str(w.message) for w in caught)


def started(device: str, batch_size: int) -> tuple[Training, Clip]:
    """KeepLoRA in its first task; no subspace and no gradient is needed for the time of a step."""
    torch.manual_seed(0)
    clip = backbones.load(backbones.parse("ViT-B-16-quickgelu:random"), device)
    pixels = torch.randint(256, (2 * batch_size, 3, 224, 224), dtype=torch.uint8)
    images = Images(pixels, torch.arange(2 * batch_size))
    labels = LabelSpace.from_templates(tuple(classnames()), ("a photo of a {}.",))
    config = KeepLoRAConfig(vision_weight_share=0, text_weight_share=0, direction="random")  # type: ignore[call-arg]
    method = KeepLoRA(clip, config, Assets())
    task = Task("random", labels, images, images)
    seen = TrainingTask(task, clip.normaliser(), batch_size, torch.Generator())
    method.before_task(seen)
    return Training(method, seen, Recipe(schedule="constant"), 10**6, "fp32"), clip


def classnames() -> Sequence[str]:
    """As many, and about as long, as SUN397's, whose own names come with its files."""
    kinds = (
        "indoor",
        "outdoor",
        "old",
        "public",
        "small",
        "industrial",
        "natural",
        "home",
        "hotel",
        "city",
    )
    return [f"{kind} {place}" for place in PLACES for kind in kinds][:CLASSES]


if __name__ == "__main__":
    main()

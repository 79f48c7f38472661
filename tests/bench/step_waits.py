"""What a step waits for, and what tokenising its class prompts anew would cost.

Waits are counted where a GPU would make them (``tests/stand_in_device.py``), for one step of methods of
every kind. Then KeepLoRA's step at ViT-B/16 with 397 classes, as SUN397 has, is timed side by side in two
ways: as it is, and with prompts that every step makes tokens of, copies over whole and cuts on the
device, as published code does. On a CPU, seconds are those of the processor: what else runs there does
not count.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.figures import Figure, run_alone
from bench.random_task import as_seen, backbone, made, random_task
from bench.timing import finish
from stand_in_device import StandIn
from two_tasks import STEPS, known, played

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.config import Recipe
from cl_bench.benchmark.method import Method
from cl_bench.benchmark.task import LabelSpace
from cl_bench.benchmark.tokens import LabelTokens, Tokenizer, cut_padding
from cl_bench.benchmark.train import Training

WANTED = {"keeplora": 0, "lora": 0, "zscl": 0, "moe-adapters": 1, "joint": 0}  # tests/test_waits.py


class Anew(LabelTokens):
    """Tokens as published code makes them: in every step."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def of(self, labels: LabelSpace, tokenizer: Tokenizer, like: Tensor) -> list[Tensor]:
        start = time.process_time()
        tokens = tokenizer([prompt for prompts in labels.prompts for prompt in prompts])
        self.seconds.append(time.process_time() - start)
        return [cut_padding(tokens.to(like.device))]


class Counted(LabelTokens):
    """Tokens as they are, and how long a step took to get them."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def of(self, labels: LabelSpace, tokenizer: Tokenizer, like: Tensor) -> list[Tensor]:
        start = time.process_time()
        found = super().of(labels, tokenizer, like)
        self.seconds.append(time.process_time() - start)
        return found


def measure(
    tiny: bool = False, device: str = "cpu", batch_size: int = 4, steps: int = 4
) -> Iterator[Figure]:
    """Waits of five methods, then the times of one."""
    for name, wanted in list(WANTED.items())[: 1 if tiny else None]:
        for how, tokens, limit in (
            ("as it is", LabelTokens, f"<= {wanted}"),
            ("with tokens made anew", Anew, ""),
        ):
            yield Figure(
                f"waits a step of {name}, {how}", waits(name, tokens), "waits", wanted=limit
            )
    yield from timed(tiny, device, batch_size, steps)


def waits(name: str, tokens: type[LabelTokens] = LabelTokens) -> float:
    """Where a step of a method would wait for a GPU, by number."""
    make, recipe = known(name)
    stand_in = StandIn()

    def with_tokens(clip: Clip, assets: Assets) -> Method:
        clip._tokens = tokens()
        return make(clip, assets)

    with stand_in.playing():
        seen = played(with_tokens, recipe, "fp32", stand_in).seen
    steps = {"step", "loss", "after_backward", "after_step"}
    count = sum(s.kind != "copy" for s in seen if s.phase in steps)
    return count / (2 * STEPS)


def timed(tiny: bool, device: str, batch_size: int, count: int) -> Iterator[Figure]:
    """KeepLoRA's step in both ways, taken in turn; the first one warms up."""
    classes = 5 if tiny else 397
    training, clip = started(tiny, device, batch_size, classes)
    ways = {"anew": Anew(), "as it is": Counted()}
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    clock = time.process_time if device == "cpu" else time.perf_counter
    for _ in range(count + 1):
        for way, tokens in ways.items():
            clip._tokens = tokens
            start = clock()
            training.take_step()
            finish(device)
            seconds[way].append(clock() - start)
    sizes = (
        f"{'tiny CLIP' if tiny else 'ViT-B/16'}, {batch_size} images, {classes} classes, {device}"
    )
    for way, tokens in ways.items():
        taken = [1e3 * s for s in tokens.seconds[1:]]
        wanted = "< 0.1" if way == "as it is" else ""
        yield Figure.of(f"tokenising in a step of keeplora, {way} ({sizes})", taken, "ms", wanted)
    anew, now = (s[1:] for s in seconds.values())
    yield Figure.of(f"step of keeplora ({sizes})", now, "s")
    yield Figure.ratio(f"step of keeplora against tokens made anew ({sizes})", anew, now, "x")


def started(tiny: bool, device: str, batch_size: int, classes: int) -> tuple[Training, Clip]:
    """KeepLoRA in its first task; no subspace and no gradient is needed for the time of a step."""
    clip = backbone(tiny, device)
    task = random_task(clip, 2 * batch_size, classes)
    method = made(
        "keeplora", clip, task, vision_weight_share=0, text_weight_share=0, direction="random"
    )
    method.before_task(seen := as_seen(clip, task, batch_size))
    return Training(method, seen, Recipe(schedule="constant"), 10**6, "fp32"), clip


if __name__ == "__main__":
    run_alone(measure, __doc__)

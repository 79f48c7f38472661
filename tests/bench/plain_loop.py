"""KeepLoRA against a plain loop that does what published code does, and against the least there is.

ViT-B/16 with random weights in float32, all ways in turn in one process. The plain loop encodes prompts
on 77 positions for every batch, takes the gradient of every parameter and adds it up on the CPU, collects
features by hooks (tests/bench/plain.py; that it computes the same is tested). The bound of a step is the
same model with gradients of activations alone; the bound of an evaluation is the bare image tower.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.figures import Figure, run_alone
from bench.random_task import backbone, random_task
from bench.side_by_side import BARE, BOUND, OURS, PLAIN, SideBySide
from bench.timing import in_turn

BATCHES = 2  # of a pass, and of an evaluation


def measure(
    tiny: bool = False,
    device: str = "cpu",
    images: int = 16,
    classes: int = 100,
    steps: int = 3,
    passes: int = 2,
) -> Iterator[Figure]:
    """Ratios of KeepLoRA's parts; ``images`` in a batch."""
    images, classes = (2, 3) if tiny else (images, classes)
    clip = backbone(tiny, device)
    whole = random_task(clip, BATCHES * images, classes)
    ways = SideBySide(clip, whole, images)
    sizes = f"{'tiny CLIP' if tiny else 'ViT-B/16'}, {images} images, {classes} classes, {device}"
    yield from step(in_turn(ways.steps(), steps, device), sizes)
    for what, of, wanted in (
        ("gradient pass", ways.gradient_passes, ">= 3"),
        ("feature pass", ways.feature_passes, ">= 1.3"),
    ):
        taken = in_turn(of(), passes, device, warm_up=False)
        yield Figure.of(f"{what} of {BATCHES} batches ({sizes})", taken[OURS], "s")
        yield Figure.ratio(
            f"{what} against the plain loop's ({sizes})", taken[PLAIN], taken[OURS], "x", wanted
        )
    yield from evaluation(in_turn(ways.evaluations(), passes, device, warm_up=False), sizes)


def step(taken: dict[str, list[float]], sizes: str) -> Iterator[Figure]:
    yield Figure.of(f"training step ({sizes})", taken[OURS], "s")
    yield Figure.ratio(
        f"training step against the plain loop's ({sizes})",
        taken[PLAIN], taken[OURS], "x", ">= 1.5",
    )  # fmt: skip
    yield Figure.ratio(
        f"training step: share of the bound ({sizes})", taken[BOUND], taken[OURS], "%", ">= 85"
    )


def evaluation(taken: dict[str, list[float]], sizes: str) -> Iterator[Figure]:
    yield Figure.ratio(
        f"evaluation, classes encoded before: share of the bare image tower ({sizes})",
        taken[BARE], taken[OURS], "%", ">= 95",
    )  # fmt: skip
    yield Figure.ratio(
        f"evaluation, classes encoded before, against the plain loop's ({sizes})",
        taken[PLAIN], taken[OURS], "x",
    )  # fmt: skip


if __name__ == "__main__":
    run_alone(measure, __doc__)

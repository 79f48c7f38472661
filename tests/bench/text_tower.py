"""ViT-B/16's text tower on MTIL's class prompts: cut to the longest one, against 77 positions."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.figures import Figure, run_alone
from bench.random_task import backbone
from bench.timing import in_turn

from cl_bench.benchmark.tokens import cut_padding
from cl_bench.datasets.mtil.layout import facts


@torch.no_grad()
def measure(tiny: bool = False, device: str = "cpu", repeats: int = 2) -> Iterator[Figure]:
    """All class prompts of the data sets whose names are known without their files."""
    clip = backbone(tiny, device)
    prompts = [
        of["templates"]["keeplora"][0].format(name).replace("_", " ")
        for of in facts()["datasets"].values()
        for name in of.get("class_names", ())  # others have names that come with their files
    ]
    tokens = clip.tokenize(prompts[:20] if tiny else prompts)
    short = cut_padding(tokens)
    gap = (clip.encode_text(tokens) - clip.encode_text(short)).abs().max().item()
    assert gap < 1e-4, f"cut prompts have other features, by {gap:.1e}"
    ways = {"77": partial(clip.encode_text, tokens), "cut": partial(clip.encode_text, short)}
    taken = in_turn(ways, repeats, device, warm_up=False)
    name = f"text tower on {len(tokens)} prompts cut to {short.shape[1]} positions, against 77"
    yield Figure.ratio(name, taken["77"], taken["cut"], "x", ">= 3")


if __name__ == "__main__":
    run_alone(measure, __doc__)

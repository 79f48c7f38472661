"""ViT-B/16's text tower on MTIL's class prompts: cut to the longest one, against 77 positions."""

from __future__ import annotations

import time

import torch

from cl_bench.benchmark.tokens import cut_padding
from cl_bench.datasets import backbones
from cl_bench.datasets.mtil.layout import facts


@torch.no_grad()
def main() -> None:
    clip = backbones.load(backbones.parse("ViT-B-16-quickgelu:random"), "cpu")
    print("data set       prompts  longest   77 positions        cut   ratio   largest difference")
    totals = [0.0, 0.0]
    for name, d in facts()["datasets"].items():
        if "class_names" not in d:
            continue  # its names come with its files
        template = d["templates"]["keeplora"][0]
        tokens = clip.tokenize([template.format(c).replace("_", " ") for c in d["class_names"]])
        short = cut_padding(tokens)
        times, features = [], []
        for variant in (tokens, short):
            clip.encode_text(variant[:8])
            start = time.perf_counter()
            features.append(clip.encode_text(variant))
            times.append(time.perf_counter() - start)
        totals = [total + seconds for total, seconds in zip(totals, times, strict=True)]
        difference = (features[0] - features[1]).abs().max().item()
        print(
            f"{name:13s} {len(tokens):8d} {short.shape[1]:8d} {times[0]:12.2f} s {times[1]:8.2f} s "
            f"{times[0] / times[1]:6.1f}x   {difference:.1e}"
        )
    print(f"all: {totals[0] / totals[1]:.1f}x")


if __name__ == "__main__":
    main()

"""How exported weights are loaded with open_clip, as Python code. No torch."""

from __future__ import annotations

from collections.abc import Sequence

from cl_bench.benchmark.config import Backbone
from cl_bench.datasets.mini.suite import TINY
from cl_bench.datasets.pretrained.tags import model_name

TINY_CODE = """import json
from importlib import resources
import open_clip

config = resources.files("cl_bench.datasets.mini") / "tiny_clip.json"
model = open_clip.CLIP(**json.loads(config.read_text())).eval()
open_clip.load_checkpoint(model, "{file}")
tokenizer = open_clip.get_tokenizer("ViT-B-16")
mean, std = {mean}, {std}  # of RGB in [0, 1]"""
CODE = """import open_clip

model, _, preprocess = open_clip.create_model_and_transforms(
    "{name}", pretrained="{file}", image_mean={mean}, image_std={std}
)
model.eval()
tokenizer = open_clip.get_tokenizer("{name}")"""


def loading_code(backbone: Backbone, file: str, mean: Sequence[float], std: Sequence[float]) -> str:
    """Code that makes a model of the weights in ``file``; its activation is part of open_clip's name.

    Args:
        backbone: that they began as.
        file: their name.
        mean: what is taken from red, green and blue in [0, 1].
        std: what they are divided by then.
    """
    code = TINY_CODE if backbone.name == TINY else CODE
    return code.format(name=model_name(backbone.name), file=file, mean=tuple(mean), std=tuple(std))

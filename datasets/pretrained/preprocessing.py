"""Warnings where a model was trained on images that were prepared in another way than here."""

from __future__ import annotations

from cl_bench.benchmark.config import Backbone
from cl_bench.datasets.mini.suite import TINY
from cl_bench.datasets.pretrained.tags import tags_of


def caveats(backbone: Backbone) -> tuple[str, ...]:
    """What a reader must know about the images of a run that starts from ``backbone``.

    Images are resized by their shorter side, cropped, and normalised with the pixel statistics of the
    weights' tag. A file does not tell its statistics: OpenAI's are taken, as nearly all CLIPs do.
    """
    if backbone.name == TINY:
        return ()
    tags = tags_of(backbone.name)
    if backbone.sha256 is not None and len({config["mean"] for config in tags.values()}) > 1:
        usual = tags.get("openai", {}).get("mean")
        others = [tag for tag, config in tags.items() if config["mean"] != usual]
        return (
            "images are normalised with OpenAI's pixel statistics, as the weights are a file; the "
            f"weights {', '.join(others)} were trained with others, which their tag would bring",
        )
    resized = tags.get(backbone.weights, {}).get("resize_mode", "shortest")
    if resized == "shortest":
        return ()
    return (
        f"images are cropped; the weights {backbone.weights} were trained on images that were resized "
        f"otherwise ({resized})",
    )

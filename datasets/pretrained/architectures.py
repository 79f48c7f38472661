"""Which of open_clip's models run here, read from their configurations; none is built."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cl_bench.datasets.pretrained.open_clip_tables import model_config, model_names

if TYPE_CHECKING:  # naming a model does not need torch
    from torch import Tensor

# What a configuration of OpenAI's layout may set. Another key, known today or not, changes what the
# model computes, so that a name is taken only where nothing but these is set.
MODEL_KEYS = {"embed_dim", "vision_cfg", "text_cfg", "quick_gelu"}
VISION_KEYS = {"image_size", "layers", "width", "patch_size", "head_width", "mlp_ratio"}
TEXT_KEYS = {"context_length", "vocab_size", "width", "heads", "layers"}

# The words for the keys that open_clip's models differ in, most telling first.
OBSTACLES = {
    "multimodal_cfg": "it has a third tower, which writes captions (CoCa)",
    "timm_model_name": "its image tower is timm's {}",
    "hf_model_name": "its text tower is Hugging Face's {}",
    "hf_tokenizer_name": "its text needs Hugging Face's tokenizer {}",
    "no_causal_mask": "its text tower looks ahead",
    "pool_type": "it pools its tokens otherwise ({})",
    "ls_init_value": "its image tower scales what every block adds",
}


@dataclass(frozen=True)
class Shape:
    """What the tensors of a CLIP with two transformers tell about it.

    Attributes:
        embed: width of the common space.
        vision: width, blocks, patch size and positions of the image tower.
        text: width, blocks, context length and vocabulary of the text tower.
    """

    embed: int
    vision: tuple[int, int, int, int]
    text: tuple[int, int, int, int]


def all_models() -> list[str]:
    """Every name that open_clip has a configuration for, whether it runs here or not."""
    return model_names()


def runnable_models() -> list[str]:
    """The names of those that run here: two transformers of OpenAI's layout."""
    return [name for name in all_models() if obstacle(name) is None]


def obstacle(name: str) -> str | None:
    """Why a model of open_clip's does not run here, or None where it does.

    A method works on the q, k, v and o of every block of both towers, and reads the text feature at
    the end-of-text token, so both towers must be open_clip's own, unchanged.
    """
    config = _config(name)
    foreign = dict(_foreign_settings(config))
    for key, words in OBSTACLES.items():
        if key in foreign:
            return words.format(foreign[key])
    if isinstance(config["vision_cfg"]["layers"], list):
        return "its image tower is a ResNet"
    return f"its configuration sets {', '.join(sorted(foreign))}" if foreign else None


def _foreign_settings(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The settings that OpenAI's layout does not have."""
    parts = (
        (config, MODEL_KEYS), (config["vision_cfg"], VISION_KEYS), (config["text_cfg"], TEXT_KEYS),
    )  # fmt: skip
    for part, known in parts:
        yield from ((key, value) for key, value in part.items() if key not in known)


def names_that_fit(state: Mapping[str, Tensor]) -> list[str]:
    """The runnable models whose tensors have the shapes of ``state``."""
    shape = _shape_of_state(state)
    return [name for name in runnable_models() if _shape_of_config(_config(name)) == shape]


def _config(name: str) -> Mapping[str, Any]:
    config = model_config(name)
    assert config is not None, name
    return config


def _shape_of_config(config: Mapping[str, Any]) -> Shape:
    v, t = config["vision_cfg"], config["text_cfg"]
    positions = (v["image_size"] // v["patch_size"]) ** 2 + 1
    return Shape(
        config["embed_dim"],
        (v["width"], v["layers"], v["patch_size"], positions),
        (t["width"], t["layers"], t["context_length"], t["vocab_size"]),
    )


def _shape_of_state(state: Mapping[str, Tensor]) -> Shape | None:
    """The shape that a state dict tells, if it has all the tensors that tell it."""
    try:
        patches = state["visual.conv1.weight"].shape  # [width, 3, patch, patch]
        vocabulary, width = state["token_embedding.weight"].shape
        return Shape(
            state["text_projection"].shape[1],
            (patches[0], _blocks(state, "visual.transformer."), patches[-1],
             len(state["visual.positional_embedding"])),
            (width, _blocks(state, "transformer."), len(state["positional_embedding"]), vocabulary),
        )  # fmt: skip
    except (KeyError, IndexError, ValueError):
        return None


def _blocks(state: Mapping[str, Tensor], tower: str) -> int:
    prefix = f"{tower}resblocks."
    return len({key.removeprefix(prefix).split(".")[0] for key in state if key.startswith(prefix)})

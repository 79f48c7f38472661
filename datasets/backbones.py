"""The CLIPs that runs start from: the shipped tiny one, and everything open_clip can build."""

from __future__ import annotations

import hashlib
import json
import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from cl_bench.benchmark.config import Backbone
from cl_bench.benchmark.errors import UserError, unknown
from cl_bench.datasets.mini.suite import TINY, tiny_clip

if TYPE_CHECKING:  # torch and open_clip take seconds to import, and naming a model needs neither
    import open_clip

    from cl_bench.benchmark.clip import Clip

RANDOM = "random"
_SHIPPED = Path(__file__).parent / "mini"


def parse(text: str) -> Backbone:
    """``tiny-clip``, ``NAME:TAG``, ``NAME:random`` or ``NAME:FILE`` with a name of open_clip's.

    Raises:
        UserError: there is no such model.
    """
    name, _, weights = text.partition(":")
    if name == TINY:
        return tiny_clip()
    if name not in known_models():
        raise unknown("backbone", name, [TINY, *_familiar()])
    if not weights:
        raise UserError(
            f"--backbone {name} needs weights: {name}:openai, {name}:FILE or {name}:{RANDOM}"
        )
    if Path(weights).is_file():
        weights = str(Path(weights).resolve())
        return Backbone(name=name, weights=weights, sha256=_sha256(Path(weights)))
    return Backbone(name=name, weights=weights)


def known_models() -> list[str]:
    """Every model name that open_clip can build."""
    import open_clip

    names: list[str] = open_clip.list_models()
    return names


def _familiar() -> list[str]:
    return [name for name in known_models() if name.startswith(("ViT-B-", "ViT-L-14", "ViT-S-"))]


def load(backbone: Backbone, device: str) -> Clip:
    """Build the model and load its weights, without running code from a file.

    Raises:
        UserError: the weights are missing, cannot be fetched, or are not what they should be.
    """
    import open_clip
    import torch

    from cl_bench.benchmark.clip import Clip

    torch.manual_seed(0)  # random weights are the same every time
    if backbone.name == TINY:
        model = _tiny_model(backbone)
        return Clip(model, open_clip.get_tokenizer("ViT-B-16")).to(device)
    if backbone.sha256 is not None and _sha256(Path(backbone.weights)) != backbone.sha256:
        raise UserError(f"the weight file {backbone.weights} is not the one the run began with")
    pretrained = None if backbone.weights == RANDOM else backbone.weights
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            logging.disable(logging.WARNING)  # random weights, where they were asked for
            model = open_clip.create_model(backbone.name, pretrained=pretrained, device=device)
    except Exception as error:  # the hub's client raises a dozen kinds without a common base
        raise UserError(
            f"cannot load the weights {backbone.weights!r} of {backbone.name}: "
            f"{str(error).splitlines()[0] if str(error) else type(error).__name__}. Without a "
            f"network, give a local file: --backbone {backbone.name}:FILE."
        ) from error
    finally:
        logging.disable(logging.NOTSET)
    return Clip(model, open_clip.get_tokenizer(backbone.name)).to(device)


def _tiny_model(backbone: Backbone) -> open_clip.CLIP:
    import open_clip

    from cl_bench.datasets.mini.backbone import load_state

    weights = _SHIPPED / "tiny_clip.safetensors"
    if _sha256(weights) != backbone.sha256:
        raise UserError(f"{weights} is damaged: its SHA-256 is not {backbone.sha256}; reinstall")
    config = json.loads((_SHIPPED / "tiny_clip.json").read_text())
    model = open_clip.CLIP(**config)
    model.load_state_dict(load_state(weights, config["text_cfg"]["vocab_size"]), strict=False)
    return model


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"cannot read the weight file {path}: {error}") from error

"""The CLIPs that runs start from: the shipped tiny one, and everything open_clip can build."""

from __future__ import annotations

import hashlib
import json
import logging
import warnings
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from cl_bench.benchmark.config import Backbone
from cl_bench.benchmark.errors import UserError, unknown
from cl_bench.datasets.mini.suite import TINY, tiny_clip

if TYPE_CHECKING:  # torch and open_clip take seconds to import, and naming a model needs neither
    import open_clip
    from torch import Tensor

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
        file = Path(weights).resolve()
        name = _with_its_activation(name, is_openai_archive(file))
        return Backbone(name=name, weights=str(file), sha256=_sha256(file))
    return Backbone(
        name=_with_its_activation(name, _tag_has_quick_gelu(name, weights)), weights=weights
    )


def _tag_has_quick_gelu(name: str, tag: str) -> bool:
    import open_clip

    return bool((open_clip.get_pretrained_cfg(name, tag) or {}).get("quick_gelu"))


def _with_its_activation(name: str, quick_gelu: bool) -> str:
    """The model name whose activation is the one the weights were trained with."""
    fitting = f"{name}-quickgelu"
    return fitting if quick_gelu and fitting in known_models() else name


def is_openai_archive(file: Path) -> bool:
    """Whether a weight file is a TorchScript archive, as OpenAI's own files are (ViT-B-16.pt)."""
    if not zipfile.is_zipfile(file):
        return False
    with zipfile.ZipFile(file) as archive:
        return any(name.endswith("constants.pkl") for name in archive.namelist())


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
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            logging.disable(logging.WARNING)  # random weights, where they were asked for
            model = _built(backbone)
    except Exception as error:  # the hub's client raises a dozen kinds without a common base
        raise UserError(
            f"cannot load the weights {backbone.weights!r} of {backbone.name}: {_reason(error)}. "
            f"Without a network, give a local file: --backbone {backbone.name}:FILE"
        ) from error
    finally:
        logging.disable(logging.NOTSET)
    return Clip(model, open_clip.get_tokenizer(backbone.name)).to(device)


def _built(backbone: Backbone) -> open_clip.CLIP:
    """The model with its weights; files are read as tensors, no code in them is run."""
    import open_clip

    file = Path(backbone.weights) if backbone.sha256 else None
    if file is not None and is_openai_archive(file):
        model = open_clip.create_model(backbone.name, pretrained=None)
        model.load_state_dict(_archived_tensors(file))
        return model
    pretrained = None if backbone.weights == RANDOM else backbone.weights
    return open_clip.create_model(backbone.name, pretrained=pretrained, weights_only=True)


def _archived_tensors(file: Path) -> dict[str, Tensor]:
    """The tensors of OpenAI's archive (16-bit there); its TorchScript is parsed, never run."""
    import torch

    state: dict[str, Tensor] = torch.jit.load(str(file), map_location="cpu").state_dict()
    for constant in ("input_resolution", "context_length", "vocab_size"):
        state.pop(constant, None)
    return state


def _reason(error: Exception) -> str:
    """What went wrong, in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if "state_dict" in str(error):  # torch names the first mismatch after a heading
        return f"they are of another architecture ({' '.join(lines[1:2])})"
    if "weights_only" in str(error).lower():  # torch's own words advise to trust the file
        return "the file does not hold plain tensors"
    return lines[0] if lines else type(error).__name__


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

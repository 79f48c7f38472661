"""The CLIPs that runs start from: the shipped tiny one, and those of open_clip's that run here."""

from __future__ import annotations

import hashlib
import json
import logging
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cl_bench.benchmark.config import Backbone
from cl_bench.benchmark.errors import UserError, in_one_line, unknown
from cl_bench.datasets.mini.suite import TINY, tiny_clip
from cl_bench.datasets.pretrained import activation
from cl_bench.datasets.pretrained.architectures import all_models, obstacle, runnable_models
from cl_bench.datasets.pretrained.tags import model_name, tags_of
from cl_bench.datasets.pretrained.torchscript_file import is_torchscript

if TYPE_CHECKING:  # torch and open_clip take seconds to import, and naming a model needs neither
    import open_clip
    from torch import Tensor

    from cl_bench.benchmark.clip import Clip

RANDOM = "random"
_SHIPPED = Path(__file__).parent / "mini"
_SUFFIXES = (".pt", ".pth", ".bin", ".safetensors", ".ckpt")


def parse(text: str) -> Backbone:
    """``tiny-clip``, ``NAME:TAG``, ``NAME:random`` or ``NAME:FILE`` with a name of open_clip's.

    Where a model exists with either activation, its name says which: ``NAME-quickgelu`` or
    ``NAME-gelu``. A tag tells it, too, and so does OpenAI's own archive.

    Raises:
        UserError: there is no such model, or it does not run here; there are no such weights; what
            activation they were trained with is not known, or is another.
    """
    name, _, weights = text.partition(":")
    if name == TINY:
        if weights:
            raise UserError(f"--backbone {TINY} brings its own weights: leave {weights!r} out")
        return tiny_clip()
    _check_model(name)
    if not weights:
        raise UserError(
            f"--backbone {name} needs weights: {name}:openai, {name}:FILE or {name}:{RANDOM}"
        )
    return _from_file(name, weights) or _from_tag(name, weights)


def _from_file(name: str, weights: str) -> Backbone | None:
    """The backbone with weights of a file, or None where ``weights`` does not look like one."""
    file = Path(weights).expanduser()
    if not file.is_file():
        if weights in _weight_names(name) or not (
            file.is_dir() or file.suffix in _SUFFIXES or "/" in weights
        ):
            return None
        problem = "is a folder: name the file in it" if file.is_dir() else "does not exist"
        raise UserError(f"--backbone {name}: the weight file {weights} {problem}")
    if weights in _weight_names(name):
        raise UserError(
            f"--backbone {name}: {weights!r} is a file here and also a name of weights; write "
            f"{name}:./{weights} for the file"
        )
    file = file.resolve()
    name = activation.name_for_file(name, file, is_torchscript(file))
    return Backbone(name=name, weights=str(file), sha256=_sha256(file))


def _from_tag(name: str, weights: str) -> Backbone:
    """The backbone with weights that open_clip knows by name, or random ones."""
    if weights == RANDOM:
        return Backbone(name=model_name(name), weights=RANDOM)
    if weights not in _weight_names(name):
        raise unknown(f"weights of {name}", weights, [*_weight_names(name), "FILE"])
    return Backbone(name=activation.name_for_tag(name, weights), weights=weights)


def _check_model(name: str) -> None:
    """Raise where open_clip has no such model, or one that does not run here."""
    plain = model_name(name)
    known = all_models()
    if plain not in known or (plain != name and activation.activation(plain) != "GELU"):
        raise unknown("backbone", name, [TINY, *_familiar()])
    if reason := obstacle(plain):
        raise UserError(
            f"--backbone {name} does not run here: {reason}. `cl-bench list backbones` shows which do"
        )


def _weight_names(name: str) -> list[str]:
    """What may stand for weights that are no file."""
    return [*tags_of(name), RANDOM]


def _familiar() -> list[str]:
    return [name for name in runnable_models() if name.startswith(("ViT-B-", "ViT-L-14", "ViT-S-"))]


def about(backbone: Backbone) -> str:
    """Name, weights and activation in one line."""
    name = "QuickGELU" if backbone.name == TINY else activation.activation(backbone.name)
    return f"{backbone.name}, weights {backbone.weights}, {name}"


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
    else:
        if backbone.sha256 is not None and _sha256(Path(backbone.weights)) != backbone.sha256:
            raise UserError(f"the weight file {backbone.weights} is not the one the run began with")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = _built(backbone)
    return Clip(model, open_clip.get_tokenizer(_tokenizer_name(backbone))).to(device)


def outline(backbone: Backbone) -> Clip:
    """The model without content: its tensors have shapes and types, and take no memory.

    It turns the same prompts into tokens once.
    """
    import open_clip
    import torch

    from cl_bench.benchmark.clip import Clip
    from cl_bench.benchmark.estimate.shapes import empty_of_content

    logging.disable(logging.WARNING)  # that it has no weights
    try:
        with torch.device("meta"):
            model = (
                open_clip.CLIP(**_tiny_config())
                if backbone.name == TINY
                else open_clip.create_model(model_name(backbone.name), device="meta")
            )
    finally:
        logging.disable(logging.NOTSET)
    empty_of_content(model)
    return Clip(model, _tokenize_once(_tokenizer_name(backbone)))


def _tokenizer_name(backbone: Backbone) -> str:
    """Of open_clip's model that has the same tokenizer."""
    return "ViT-B-16" if backbone.name == TINY else model_name(backbone.name)


@cache
def _tokenize_once(name: str) -> Callable[[Sequence[str]], Tensor]:
    """A model's tokenizer that remembers."""
    import open_clip

    tokenizer = open_clip.get_tokenizer(name)
    remembered = cache(lambda *prompts: tokenizer(list(prompts)))
    return lambda prompts: remembered(*prompts)


def _built(backbone: Backbone) -> open_clip.CLIP:
    """The model with its weights."""
    import open_clip

    from cl_bench.datasets.pretrained.fit import load_file

    name = model_name(backbone.name)
    tag = None if backbone.sha256 or backbone.weights == RANDOM else backbone.weights
    try:
        logging.disable(logging.WARNING)  # random weights, where they were asked for
        model = open_clip.create_model(name, pretrained=tag, weights_only=True)
    except Exception as error:  # the hub's client raises a dozen kinds without a common base
        raise UserError(
            f"cannot load the weights {backbone.weights!r} of {name}: {in_one_line(error)}. "
            f"Without a network, give a local file: --backbone {backbone.name}:FILE"
        ) from error
    finally:
        logging.disable(logging.NOTSET)
    if backbone.sha256 is not None:
        load_file(model, Path(backbone.weights), backbone.name)
    return model


def _tiny_model(backbone: Backbone) -> open_clip.CLIP:
    import open_clip

    from cl_bench.datasets.mini.backbone import load_state

    weights = _SHIPPED / "tiny_clip.safetensors"
    if _sha256(weights) != backbone.sha256:
        raise UserError(f"{weights} is damaged: its SHA-256 is not {backbone.sha256}; reinstall")
    config = _tiny_config()
    model = open_clip.CLIP(**config)
    model.load_state_dict(load_state(weights, config["text_cfg"]["vocab_size"]), strict=False)
    return model


def _tiny_config() -> dict[str, Any]:
    config: dict[str, Any] = json.loads((_SHIPPED / "tiny_clip.json").read_text())
    return config


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"cannot read the weight file {path}: {error}") from error

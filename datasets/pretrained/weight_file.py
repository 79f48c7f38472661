"""A file of CLIP weights as a state dict with open_clip's names; no code in a file is ever run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

from cl_bench.benchmark.errors import UserError, in_one_line
from cl_bench.datasets.pretrained.torchscript_file import is_torchscript, read_torchscript

if TYPE_CHECKING:  # whether a file is OpenAI's archive is known without torch
    from torch import Tensor

# Only OpenAI's archives, and state dicts made from them, hold these names.
OPENAI_CONSTANTS = ("input_resolution", "context_length", "vocab_size")
WRAPPERS = ("module.", "_orig_mod.", "model.")  # of parallel training, of compilation, of a trainer
HUGGING_FACE = ("vision_model.", "text_model.", "clip.vision_model.")


def read_weights(file: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, a state dict of torch's, or an archive of OpenAI's.

    A state dict may lie under any one key (``state_dict``, ``model``, ...) beside other things, and
    its names may carry the prefix of a wrapper (``module.``).

    Raises:
        UserError: the file is damaged, holds no weights or more than one set of them, or names them
            as another library does.
    """
    state = _without_wrapper(_only_set(_opened(file), file))
    if any(name.startswith(HUGGING_FACE) for name in state):
        raise UserError(
            f"the weight file {file} has Hugging Face's names (vision_model..., text_model...); "
            "cl-bench reads open_clip's: take the file open_clip_model.safetensors or "
            "open_clip_pytorch_model.bin of the same weights, or OpenAI's own .pt file"
        )
    _check_values(state, file)
    return state


def _opened(file: Path) -> Mapping[str, Any]:
    """What the file holds, by its content, whatever its name ends in."""
    import torch
    from safetensors.torch import load_file

    with file.open("rb") as stream:
        head = stream.read(9)
    try:
        if is_torchscript(file):
            state: Mapping[str, Any] = read_torchscript(file)
        elif head[:2] in (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"):
            with file.open("rb") as stream:  # given a name, torch goes by its ending
                state = torch.load(stream, map_location="cpu", weights_only=True)
        elif head[8:] == b"{":  # behind the length of its header
            state = load_file(file)
        else:
            raise UserError(
                f"{file} is no weight file: it is neither safetensors nor torch's"
                + (" but a pointer of Git LFS: fetch the file" if head == b"version h" else "")
            )
    except UserError:
        raise
    except UnpicklingError as error:  # torch's own words advise to trust the file
        raise UserError(
            f"the weight file {file} does not hold plain tensors alone; code in it is never run. "
            "Save the model's state dict by itself"
        ) from error
    except Exception as error:  # damaged bytes may raise anything
        raise UserError(f"the weight file {file} is damaged: {in_one_line(error)}") from error
    if not isinstance(state, Mapping):
        raise UserError(f"the weight file {file} holds a {type(state).__name__}, not named tensors")
    return state


def _only_set(content: Mapping[str, Any], file: Path) -> dict[str, Tensor]:
    """The one set of named tensors in a file: all of it, or what lies under one of its keys."""
    if _is_set(content):
        return dict(content)
    sets = [key for key, value in content.items() if _is_set(value)]
    if len(sets) != 1:
        found = f"several sets of weights ({', '.join(map(str, sets))})" if sets else "no weights"
        raise UserError(
            f"the weight file {file} holds {found}; save the model's state dict by itself"
        )
    return dict(content[sets[0]])


def _is_set(value: object) -> bool:
    import torch

    return (
        isinstance(value, Mapping)
        and len(value) > 0
        and all(isinstance(key, str) for key in value)
        and all(isinstance(v, torch.Tensor) for k, v in value.items() if k not in OPENAI_CONSTANTS)
    )


def _without_wrapper(state: dict[str, Tensor]) -> dict[str, Tensor]:
    for prefix in WRAPPERS:
        if all(name.startswith(prefix) for name in state):
            return _without_wrapper({name[len(prefix) :]: t for name, t in state.items()})
    return state


def _check_values(state: Mapping[str, Tensor], file: Path) -> None:
    """Refuse numbers that are no weights."""
    import torch

    floats = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
    for name, tensor in state.items():
        if name in OPENAI_CONSTANTS:
            continue
        if tensor.dtype not in floats:
            raise UserError(
                f"the weight file {file} holds {name} as {tensor.dtype}; weights have 16 bits or more"
            )
        if not bool(tensor.isfinite().all()):
            raise UserError(f"the weight file {file} holds numbers that are not finite in {name}")

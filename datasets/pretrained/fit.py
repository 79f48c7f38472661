"""Whether weights fit a model: every tensor of it is there, in its shape, and nothing else is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.pretrained.activation import activation
from cl_bench.datasets.pretrained.architectures import names_that_fit
from cl_bench.datasets.pretrained.weight_file import OPENAI_CONSTANTS, read_weights

if TYPE_CHECKING:
    import open_clip
    from torch import Tensor


def load_file(model: open_clip.CLIP, file: Path, name: str) -> None:
    """Load the weights of ``file`` into ``model``, which a backbone's ``name`` stands for.

    Weights are never adapted: positions are not interpolated, and no tensor may be missing.

    Raises:
        UserError: the file is no weight file, or its weights are of another model.
    """
    state = read_weights(file)
    if set(OPENAI_CONSTANTS) <= state.keys() and activation(name) != "QuickGELU":
        raise UserError(
            f"the weight file {file} was made from OpenAI's archive, whose models use QuickGELU, but "
            f"{name} uses GELU"
        )
    state = {key: tensor for key, tensor in state.items() if key not in OPENAI_CONSTANTS}
    own = model.state_dict()
    if "logit_scale" in state and state["logit_scale"].numel() == 1:  # stored as [] or [1]
        state["logit_scale"] = state["logit_scale"].reshape(own["logit_scale"].shape)
    if difference := _difference(state, own):
        fitting = names_that_fit(state)
        hint = f"; they have the shapes of {' and '.join(fitting)}" if fitting else ""
        raise UserError(
            f"the weights in {file} do not fit {name}: they are of another architecture "
            f"({difference}){hint}"
        )
    model.load_state_dict(state)


def _difference(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> str:
    """What parts two state dicts, in words; empty where nothing does."""
    shapes = [
        f"{key} is {list(state[key].shape)} there and {list(own[key].shape)} in the model"
        for key in own
        if key in state and state[key].shape != own[key].shape
    ]
    phrases = [
        _some(shapes, "{}"),
        _some([key for key in own if key not in state], "{} missing"),
        _some([key for key in state if key not in own], "{} unknown to the model"),
    ]
    return "; ".join(phrase for phrase in phrases if phrase)


def _some(found: Sequence[str], words: str) -> str:
    """The first two of ``found`` and how many more there are."""
    shown, more = ", ".join(found[:2]), len(found) - 2
    return words.format(shown + (f" and {more} more" if more > 0 else "")) if found else ""

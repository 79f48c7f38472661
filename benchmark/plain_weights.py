"""Which methods are a plain CLIP after a task: their weights alone classify as they do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from cl_bench.benchmark.clip import Clip

PlainWeights = Callable[[Clip, Mapping[str, Any]], Mapping[str, Tensor] | None]
"""From the pre-trained model and a state after a task to the tensors that a plain CLIP has otherwise, by
open_clip's names; ``None``: this state has no such CLIP."""


def merged_weights(clip: Clip, state: Mapping[str, Any]) -> Mapping[str, Tensor]:
    """Of a method that has nothing beside the model after a task: its updates are in the weights."""
    changed: Mapping[str, Tensor] = state.get("clip", {})
    return changed


def plain_weights(method: type, clip: Clip, state: Mapping[str, Any]) -> dict[str, Tensor] | None:
    """All weights of the plain CLIP that classifies as a method in this state does, on the CPU.

    What a class declares counts for it alone: a subclass may classify otherwise and says it anew.

    Args:
        method: the method's class.
        clip: the pre-trained model.
        state: of the method after a task.

    Returns:
        By open_clip's names; ``None`` where there is no such CLIP.
    """
    declared: PlainWeights | None = vars(method).get("plain_weights")
    changed = declared(clip, state) if declared is not None else None
    if changed is None:
        return None
    weights = {name: t.detach().cpu() for name, t in clip.model.state_dict().items()}
    return weights | {name: changed[name].cpu() for name in changed}

"""Prompt tokens: vectors that enter a tower's blocks beside its image's patches or its text's tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

from cl_bench.benchmark.errors import UserError


def per_block(tokens: Tensor, blocks: int, samples: int, width: int) -> Tensor:
    """Bring prompt tokens into the one shape that holds every case.

    Args:
        tokens: [P, d]: the same for all samples. [B, P, d]: some for each sample. [D, B, P, d] with
            B = 1 or the number of samples: for each of the first D blocks.
        blocks: of the tower.
        samples: images or texts of the forward pass.
        width: d of the tower.

    Returns:
        [D, B, P, d].

    Raises:
        ValueError: they do not fit the tower or the samples.
    """
    if not 2 <= tokens.ndim <= 4:
        raise ValueError(f"prompt tokens are {tokens.ndim}-dimensional: give 2, 3 or 4 dimensions")
    whole = tokens[(None,) * (4 - tokens.ndim)]
    D, B, _, d = whole.shape
    if d != width:
        raise ValueError(f"prompt tokens of width {d} do not fit a tower of width {width}")
    if B not in (1, samples):
        raise ValueError(f"prompt tokens for {B} samples, but {samples} are encoded")
    if not 1 <= D <= blocks:
        raise ValueError(f"prompt tokens for {D} blocks, but the tower has {blocks}")
    return whole


def check_room(count: int, length: int, positions: int) -> None:
    """Raise ``UserError`` where a text of ``length`` tokens leaves no room for ``count`` more."""
    if count + length > positions:
        raise UserError(
            f"{count} prompt tokens and a text of {length} tokens do not fit into the text tower's "
            f"{positions} positions: use fewer prompt tokens or shorter prompts"
        )


@contextmanager
def behind_the_first(blocks: Sequence[nn.Module], tokens: Tensor | None) -> Iterator[None]:
    """Inside, prompt tokens stand behind the first position of what the blocks compute.

    They enter at the first block. A later block that has tokens of its own takes them in the place of
    those that come out of the block before. Behind the last block they are cut off, so that every
    other position is where it was.

    Args:
        blocks: of a tower, from [B, L, d] to [B, L, d].
        tokens: [D, B or 1, P, d], for the first D blocks; ``None``: nothing changes.
    """
    if tokens is None:
        yield
        return
    count = tokens.shape[2]
    with ExitStack() as hooks:
        for i, (block, own) in enumerate(zip(blocks, tokens, strict=False)):
            put = _putter(own, in_place_of=count if i > 0 else 0)
            hooks.enter_context(block.register_forward_pre_hook(put))
        hooks.enter_context(blocks[-1].register_forward_hook(lambda *of: _without(of[2], count)))
        yield


def _putter(own: Tensor, in_place_of: int) -> Callable[[nn.Module, tuple[Tensor, ...]], Tensor]:
    def put(block: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
        x = inputs[0]
        mine = own.to(x.dtype).expand(len(x), -1, -1)  # 16-bit arithmetic stays 16-bit arithmetic
        return torch.cat([x[:, :1], mine, x[:, 1 + in_place_of :]], dim=1)

    return put


def _without(x: Tensor, count: int) -> Tensor:
    return torch.cat([x[:, :1], x[:, 1 + count :]], dim=1)

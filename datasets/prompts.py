"""Prompts as a text tower reads them: which are the same, which are too long for it."""

from __future__ import annotations

import html
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import ftfy

from cl_bench.datasets.mini.suite import TINY

if (
    TYPE_CHECKING
):  # torch and open_clip take seconds to import: only prompts that may be alike need them
    from torch import Tensor

    from cl_bench.datasets.suite import TaskSpec

LONGEST = 75  # bytes that fit CLIP's 77 positions for certain: a token is at least a byte


def prompts_of(task: TaskSpec) -> tuple[tuple[str, ...], ...]:
    """Every class's prompts, as ``LabelSpace`` writes them."""
    return tuple(
        tuple(template.format(name).replace("_", " ") for template in task.templates)
        for name in task.classnames
    )


def near(names: Sequence[str]) -> list[list[int]]:
    """Groups of names, by their indices, that have the same letters and digits.

    Case, accents, spaces, punctuation, the way of writing an accent and a last s do not count.
    Names that a tokenizer reads as the same are always in one group.
    """
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for i, name in enumerate(names):
        groups[_skeleton(name)].append(i)
    return [group for group in groups.values() if len(group) > 1]


def _skeleton(name: str) -> str:
    letters = "".join(c for c in unicodedata.normalize("NFKD", _cleaned(name)) if c.isalnum())
    return letters.removesuffix("s")


def _cleaned(text: str) -> str:
    """A text as tokenizers clean it before they cut it into tokens."""
    return html.unescape(html.unescape(ftfy.fix_text(text))).lower()


def same_first_prompts(task: TaskSpec, backbone: str) -> tuple[int, int] | None:
    """Two classes of a task that the text tower cannot tell apart, by their indices."""
    firsts = [prompts[0] for prompts in prompts_of(task)]
    long = [i for i, prompt in enumerate(firsts) if _may_be_cut(prompt)]
    suspects = sorted({i for group in near(task.classnames) for i in group} | set(long))
    alike = same_tokens([(firsts[i],) for i in suspects], backbone)
    return (suspects[alike[0][0]], suspects[alike[0][1]]) if alike else None


def same_tokens(prompts: Sequence[tuple[str, ...]], backbone: str) -> list[list[int]]:
    """Groups of classes, by their indices, all of whose ``prompts`` have the same tokens."""
    if not prompts:
        return []
    tokenizer = _tokenizer(backbone)
    groups: defaultdict[bytes, list[int]] = defaultdict(list)
    for i, several in enumerate(prompts):
        groups[tokenizer(list(several)).numpy().tobytes()].append(i)
    return [group for group in groups.values() if len(group) > 1]


def cut_prompts(task: TaskSpec, backbone: str) -> tuple[str, ...]:
    """The prompts of a task that are longer than the text tower's context.

    Their end is cut off, the end-of-text token takes the last position.
    """
    suspects = [p for prompts in prompts_of(task) for p in prompts if _may_be_cut(p)]
    if not suspects:
        return ()
    tokenizer = _tokenizer(backbone)
    context = tokenizer(["a"]).shape[1]
    room = context + max(len(_cleaned(prompt).encode()) for prompt in suspects)
    tokens = tokenizer(suspects, context_length=room)
    lengths = tokens.argmax(dim=1) + 1  # the end-of-text token has the largest number
    return tuple(p for p, n in zip(suspects, lengths.tolist(), strict=True) if n > context)


def _may_be_cut(prompt: str) -> bool:
    return len(_cleaned(prompt).encode()) > LONGEST


def _tokenizer(backbone: str) -> Callable[..., Tensor]:
    import open_clip

    tokenizer: Callable[..., Tensor] = open_clip.get_tokenizer(
        "ViT-B-16" if backbone == TINY else backbone
    )
    return tokenizer

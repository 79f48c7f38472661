"""Prompts as a text tower reads them: which ones are the same to it, and which are too long."""

from __future__ import annotations

import functools
import html
import textwrap
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from cl_bench.datasets.mini.suite import TINY
from cl_bench.datasets.pretrained.open_clip_tables import model_config

if (
    TYPE_CHECKING
):  # torch and open_clip take seconds to import: only prompts that may be alike need them
    from torch import Tensor

    from cl_bench.datasets.retrieval_set import RetrievalSpec
    from cl_bench.datasets.task_spec import TaskSpec

LONGEST_SHOWN = 100  # characters
CONTEXT = 77  # of OpenAI's CLIP, and of every model that does not say otherwise


def prompts_of(task: TaskSpec) -> tuple[tuple[str, ...], ...]:
    """Every class's prompts, as ``LabelSpace`` writes them."""
    return tuple(
        tuple(template.format(name).replace("_", " ") for template in task.templates)
        for name in task.classnames
    )


def shown(prompt: str) -> str:
    """A prompt between quotation marks, cut where it is long."""
    return repr(textwrap.shorten(prompt, LONGEST_SHOWN, placeholder=" ..."))


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
    import ftfy  # its tables take a while, and most commands look at no prompt

    return html.unescape(html.unescape(ftfy.fix_text(text))).lower()


def same_first_prompts(task: TaskSpec, backbone: str) -> tuple[int, int] | None:
    """Two classes of a task that the text tower cannot tell apart, by their indices."""
    firsts = [prompts[0] for prompts in prompts_of(task)]
    long = [i for i, prompt in enumerate(firsts) if _may_be_cut(prompt, _context(backbone))]
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


def cut_prompts(tasks: Sequence[TaskSpec], backbone: str) -> tuple[str, ...]:
    """Say which prompts are longer than the text tower's context.

    Today's rule: their end is left out, and the end-of-text token takes the last position.

    Returns:
        One sentence per task that has such prompts.
    """
    context = _context(backbone)
    remarks = []
    for task in tasks:
        prompts = [p for several in prompts_of(task) for p in several]
        cut = _longer_than(context, [p for p in prompts if _may_be_cut(p, context)], backbone)
        if cut:
            remarks.append(
                f"task {task.name}: {len(cut)} of {len(prompts)} prompts are longer than the text tower's "
                f"{context} tokens and lose their end, for example {shown(cut[0])}"
            )
    return tuple(remarks)


def cut_captions(sets: Sequence[RetrievalSpec], backbone: str) -> tuple[str, ...]:
    """The same of captions: one sentence per retrieval set that has such ones."""
    context = _context(backbone)
    remarks = []
    for spec in sets:
        long = [text for _, text in spec.captions if _may_be_cut(text, context)]
        if cut := _longer_than(context, long, backbone):
            remarks.append(
                f"retrieval set {spec.name}: {len(cut)} of {len(spec.captions)} captions are longer than the text "
                f"tower's {context} tokens and lose their end, for example {shown(cut[0])}"
            )
    return tuple(remarks)


def _longer_than(context: int, prompts: Sequence[str], backbone: str) -> list[str]:
    if not prompts:
        return []
    room = context + max(len(_cleaned(prompt).encode()) for prompt in prompts)
    tokens = _tokenizer(backbone)(list(prompts), context_length=room)
    lengths = tokens.argmax(dim=1) + 1  # the end-of-text token has the largest number
    return [p for p, n in zip(prompts, lengths.tolist(), strict=True) if n > context]


def _may_be_cut(prompt: str, context: int) -> bool:
    """Whether a prompt's bytes and its two end tokens may exceed the context: a token is a byte or more."""
    plain = prompt if prompt.isascii() and "&" not in prompt else _cleaned(prompt)
    return len(plain.encode()) + 2 > context


def _context(backbone: str) -> int:
    """Positions of the backbone's text tower."""
    if backbone == TINY:
        return CONTEXT
    towers = model_config(backbone) or {}
    return int(towers.get("text_cfg", {}).get("context_length", CONTEXT))


@functools.cache  # it takes half a second to build
def _tokenizer(backbone: str) -> Callable[..., Tensor]:
    import open_clip

    tokenizer: Callable[..., Tensor] = open_clip.get_tokenizer(
        "ViT-B-16" if backbone == TINY else backbone
    )
    return tokenizer
